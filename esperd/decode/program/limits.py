"""How much of a file this package is willing to follow; beyond that a file is taken for damaged.

Loops that consume a byte of the file each time need no limit of their own; these are for those that do not.
"""

from typing import Final

#: An unstripped ESPHome image with its debug information has 20 to 60 MB; compressed sections unpack into memory.
MAX_SECTION_BYTES: Final = 512 * 1024 * 1024
#: Section headers are counted by 16 bits; linkers make under a hundred for firmware.
MAX_SECTIONS: Final = 4096
#: The table of their names; it has about a kilobyte.
MAX_SECTION_NAMES_BYTES: Final = 1024 * 1024
#: A section's name; those of the linker scripts have under 40, and `.text.` with a C++ name is in object files only.
MAX_SECTION_NAME_BYTES: Final = 256
#: Concrete to abstract to declaration are three hops; a chain that is longer runs in a circle.
MAX_ORIGIN_HOPS: Final = 16
#: Lexical blocks and inlined functions inside one another; GCC's inliner stays far below 100.
MAX_SCOPE_DEPTH: Final = 256
#: Typedefs, qualifiers and pointers on the way to a type.
MAX_TYPE_HOPS: Final = 64
#: Members of one structure and enumerators of one enumeration; the register headers of the chips have a few hundred.
MAX_TYPE_PARTS: Final = 16_384
#: Ranges and location list entries of one DIE; the longest seen in ESP-IDF images has under 300.
MAX_LIST_ENTRIES: Final = 16_384
#: Entries of all range lists of one unit; they are read once, and lists of a compiler do not share entries.
MAX_RANGE_ENTRIES_OF_UNIT: Final = 1_000_000
#: Entries of all abbreviation tables; 200 units of C have 40 000, an ESPHome image up to a million.
MAX_ABBREVIATIONS: Final = 4_000_000
#: Attributes of one abbreviation; GCC's largest has under 20, DWARF 5 names 140.
MAX_ATTRIBUTES: Final = 256
#: Units; an ESPHome image has some thousands.
MAX_UNITS: Final = 100_000
#: Work on one program, see `work`: decodes with ESP-IDF images take 10 000 to 30 000.
MAX_STEPS: Final = 5_000_000
#: Bytes of the names of symbols; images of C++ have a few megabytes.
MAX_SYMBOL_NAME_BYTES: Final = 64 * 1024 * 1024
#: Symbols looked at on the way back to the one that holds an address.
MAX_SYMBOL_SEARCH: Final = 4096
#: Parts of the name of one type: a function type has its parameters' types in its name.
MAX_TYPE_NAME_PARTS: Final = 256
#: Registers with a rule in call frame information; RISC-V has 65.
MAX_REGISTER_RULES: Final = 256
#: A line program; the longest in ESP-IDF images has 100 kB, one of heavily inlined C++ about 1 MB.
MAX_LINE_PROGRAM_BYTES: Final = 4 * 1024 * 1024
#: Sequences of a line table looked at on the way back to the one that holds an address; all but the first are empty.
MAX_SEQUENCE_SEARCH: Final = 256
#: Addresses whose functions are remembered: a board in a boot loop asks for the same fifty again and again.
MAX_REMEMBERED_ADDRESSES: Final = 4096
#: A name; C++ templates reach a few kilobytes.
MAX_STRING_BYTES: Final = 64 * 1024
#: Operators that one expression may execute; only a loop (DW_OP_skip, DW_OP_bra) executes more than it has.
MAX_OPERATIONS: Final = 10_000
#: Entries of an expression's stack; compilers use under ten.
MAX_EXPRESSION_STACK: Final = 256
#: Expressions that need the value of another one (entry values of callers, frame bases, called procedures).
MAX_EXPRESSION_NESTING: Final = 32
#: Expressions evaluated for the variables of one frame: each may ask for several others, which multiplies.
MAX_EXPRESSIONS_OF_FRAME: Final = 4096
#: Functions looked at for one question about tail calls; the answer is "ambiguous" long before.
MAX_TAIL_CALL_SEARCH: Final = 256
#: Saved rule sets (DW_CFA_remember_state); GCC nests one or two.
MAX_REMEMBERED_ROWS: Final = 64
#: What GDB prints of a string or of an array (`set print elements`).
MAX_PRINTED_ELEMENTS: Final = 200
#: Equal elements that GDB folds into one (`set print repeats`).
REPEATS_THRESHOLD: Final = 10
#: Structures inside structures that GDB prints (`set print max-depth`).
MAX_PRINTED_DEPTH: Final = 20
#: Largest value that is read for printing: at most 200 elements are shown, but a structure may hold many arrays.
MAX_VALUE_BYTES: Final = 64 * 1024
#: Text of one value; nested arrays of structures would multiply without it.
MAX_VALUE_CHARACTERS: Final = 16 * 1024
