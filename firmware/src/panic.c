#include "panic.h"

#include "app_description.h"
#include "board.h"
#include "core_dump.h"
#include "log.h"
#include "text.h"

#define STACK_DUMP_BYTES 1024u

const char *volatile g_panic_abort_details;

static volatile bool panicking;

static const char *const REASONS[] = {
    "Instruction address misaligned", "Instruction access fault", "Illegal instruction", "Breakpoint",
    "Load address misaligned", "Load access fault", "Store address misaligned", "Store access fault",
};

__attribute__((noinline, noreturn)) static void panic_abort(const char *details)
{
    g_panic_abort_details = details;
    *(volatile uint32_t *)0 = 0;   /* faults: the trap vector saves the registers of this very place */
    for (;;)
        ;
}

__attribute__((noinline, noreturn)) static void esp_system_abort(const char *details)
{
    panic_abort(details);
}

void abort(void)
{
    char details[48];
    /* The address inside the call, not behind it. */
    text_format(details, sizeof details, "abort() was called at PC 0x%08x on core 0",
                (uint32_t)__builtin_return_address(0) - 3);
    esp_system_abort(details);
}

void __assert_func(const char *file, int line, const char *function, const char *expression)
{
    char details[120];
    text_format(details, sizeof details, "assert failed: %s %s:%d (%s)", function, file, line, expression);
    esp_system_abort(details);
}

static void print_registers(const RvExcFrame *frame)
{
    static const char *const NAMES[] = {
        "MEPC", "RA", "SP", "GP", "TP", "T0", "T1", "T2", "S0/FP", "S1", "A0", "A1", "A2",
        "A3", "A4", "A5", "A6", "A7", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9",
        "S10", "S11", "T3", "T4", "T5", "T6", "MSTATUS", "MTVEC", "MCAUSE", "MTVAL", "MHARTID",
    };
    const uint32_t *values = &frame->mepc;
    const size_t count = sizeof NAMES / sizeof *NAMES;
    print_early("Core  0 register dump:\n");
    for (size_t index = 0; index < count; index++)
        print_early("%-8s: 0x%08x  %s", NAMES[index], values[index], index % 4 == 3 || index == count - 1 ? "\n" : "");
}

static void print_stack(uint32_t stack_pointer)
{
    print_early("\nStack memory:\n");
    for (uint32_t address = stack_pointer; address < stack_pointer + STACK_DUMP_BYTES; address += 4) {
        if ((address - stack_pointer) % 32 == 0)
            print_early("%08x:", address);
        print_early(" 0x%08x%s", *(const uint32_t *)address, (address - stack_pointer) % 32 == 28 ? "\n" : "");
    }
    print_early("\n\n\n");
}

static void print_reason(const RvExcFrame *frame)
{
    if (g_panic_abort_details)
        print_early("\n%s\n", g_panic_abort_details);
    else
        print_early("Guru Meditation Error: Core  0 panic'ed (%s). Exception was unhandled.\n\n",
                    frame->mcause < 8 ? REASONS[frame->mcause] : "Unknown reason");
}

void panic_handler(RvExcFrame *frame)
{
    if (panicking) {
        print_early("Panic handler entered multiple times. Abort panic handling. Rebooting ...\n");
        board_reset(RESET_SOFTWARE_CPU);
    }
    panicking = true;
    print_reason(frame);
    print_registers(frame);
    print_stack(frame->sp);
    print_early("ELF file SHA256: %s\n\n", app_elf_sha256_prefix());
    if (pxCurrentTCBs[0])
        core_dump_to_uart(frame);
    print_early("Rebooting...\n");
    board_reset(RESET_SOFTWARE_CPU);
}
