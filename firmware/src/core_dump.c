/* A core dump as ESP-IDF 5.2 to 5.5 writes it: container 1.2 (ELF, CRC32).
 *
 *   header, ELF header, program headers,
 *   NOTE with the registers of all tasks, crashed one first; LOADs: each task's TCB and stack; LOAD: user data;
 *   NOTE with versions, crashed task, reason;
 *   CRC32 of all that.
 *
 * The content is walked twice by the same function: first to learn sizes, then to send. What one write sends is
 * cut in pieces of at most 48 bytes, and each piece is base64 by itself, with its own padding: one line.
 */
#include "core_dump.h"

#include "app_description.h"
#include "board.h"
#include "log.h"
#include "panic.h"
#include "text.h"

#define TAG "esp_core_dump_uart"
#define ENTER_WAIT_MS 500u
#define PIECE_BYTES 48u
#define STALL_AFTER_LINES 40u

#define CHIP_ID_ESP32C3 5u
#define CHIP_REVISION 3u
#define CONTAINER_VERSION (CHIP_ID_ESP32C3 << 16 | 0x0102u)

#define PT_LOAD 1u
#define PT_NOTE 4u
#define NOTE_PRSTATUS 1u
#define NOTE_CORE_DUMP_INFO 8266u
#define NOTE_EXTRA_INFO 677u
#define NOTE_PANIC_DETAILS 679u

#define MAX_TASKS 4u
#define REGISTER_COUNT 32u

struct container_header {
    uint32_t total_bytes, version, tasks, tcb_bytes, segments, chip_revision;
};

struct elf_header {
    uint8_t identity[16];
    uint16_t type, machine;
    uint32_t version, entry, program_headers_at, section_headers_at, flags;
    uint16_t header_bytes, program_header_bytes, program_headers, section_header_bytes, sections, section_names;
};

struct program_header {
    uint32_t type, offset, virtual_address, physical_address, file_bytes, memory_bytes, flags, alignment;
};

struct prstatus {
    uint32_t before[3];
    uint16_t current_signal, padding;
    uint32_t pending_and_held[2];
    uint32_t pid;   /* the TCB's address */
    uint32_t between[11];
    uint32_t registers[REGISTER_COUNT];
    uint32_t after;
};

struct core_dump_info {
    uint32_t version;
    char app_elf_sha256[66];
    uint16_t padding;
};

struct extra_info {
    uint32_t crashed_task, in_interrupt;
};

_Static_assert(sizeof(struct container_header) == 24 && sizeof(struct elf_header) == 52, "on the wire");
_Static_assert(sizeof(struct program_header) == 32 && sizeof(struct core_dump_info) == 72, "on the wire");
_Static_assert(sizeof(struct prstatus) == 204, "on the wire");

struct region {
    const void *start;
    uint32_t bytes;
};

struct dump {
    TCB_t *tasks[MAX_TASKS];   /* crashed one first */
    uint32_t task_count;
    struct region regions[2 * MAX_TASKS + 1];
    uint32_t region_count;
    struct core_dump_info info;
    struct extra_info extra;
    char reason[128];
    bool sending;
    uint32_t bytes, crc, lines;
};

static struct dump dump;

void core_dump_init(void)
{
    ESP_LOGI(TAG, "Init core dump to UART");
}

static uint32_t crc32_update(uint32_t crc, const uint8_t *data, uint32_t bytes)
{
    for (; bytes; bytes--, data++) {
        crc ^= *data;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1u ? 0xedb88320u : 0);
    }
    return crc;
}

static void send_line(const uint8_t *data, uint32_t bytes)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char line[PIECE_BYTES / 3 * 4 + 3], *at = line;
    for (; bytes; data += 3) {
        uint32_t used = bytes < 3 ? bytes : 3;
        uint32_t group = data[0] << 16 | (used > 1 ? data[1] << 8 : 0) | (used > 2 ? data[2] : 0);
        *at++ = DIGITS[group >> 18];
        *at++ = DIGITS[group >> 12 & 63u];
        *at++ = used > 1 ? DIGITS[group >> 6 & 63u] : '=';
        *at++ = used > 2 ? DIGITS[group & 63u] : '=';
        bytes -= used;
    }
    *at++ = '\n';
    *at = '\0';
    if (scenario_word == SCENARIO_NO_END && dump.lines == STALL_AFTER_LINES)
        for (;;)
            ;   /* what a hang in the panic handler looks like from outside */
    dump.lines++;
    uart_write(line);
}

static void put(const void *data, uint32_t bytes)
{
    dump.bytes += bytes;
    if (!dump.sending)
        return;
    dump.crc = crc32_update(dump.crc, data, bytes);
    for (const uint8_t *at = data; bytes;) {
        uint32_t piece = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
        send_line(at, piece);
        at += piece;
        bytes -= piece;
    }
}

static uint32_t padded(uint32_t bytes) { return (bytes + 3u) & ~3u; }

static void put_padded(const void *data, uint32_t bytes)
{
    uint8_t buffer[sizeof(struct prstatus)] = {0};
    memcpy(buffer, data, bytes);
    put(buffer, padded(bytes));
}

static uint32_t note_name_bytes(const char *name) { return padded(strlen(name) + 1); }

static uint32_t note_bytes(const char *name, uint32_t bytes)
{
    return 12 + note_name_bytes(name) + padded(bytes);
}

static void put_note(const char *name, uint32_t type, const void *data, uint32_t bytes)
{
    /* This container's writer counts the padding of the name, not that of the data. */
    uint32_t head[3] = {note_name_bytes(name), bytes, type};
    put(head, sizeof head);
    put_padded(name, strlen(name) + 1);
    put_padded(data, bytes);
}

static void put_registers(const TCB_t *task)
{
    struct prstatus status = {.pid = (uint32_t)task};
    /* A frame begins with the pc and x1..x31, in the order of prstatus. */
    memcpy(status.registers, (const void *)task->pxTopOfStack, sizeof status.registers);
    put_note("CORE\0\0\0", NOTE_PRSTATUS, &status, sizeof status);
}

static uint32_t put_program_header(uint32_t type, uint32_t offset, const void *start, uint32_t bytes)
{
    uint32_t address = (uint32_t)start;
    struct program_header header = {type, offset, address, address, bytes, bytes, 6 /* RW */, 0};
    put(&header, sizeof header);
    return offset + bytes;
}

static void put_headers(void)
{
    const struct elf_header header = {
        .identity = {0x7f, 'E', 'L', 'F', 1, 1, 1}, .type = 4 /* ET_CORE */, .machine = 0xf3, .version = 1,
        .program_headers_at = sizeof header, .header_bytes = sizeof header,
        .program_header_bytes = sizeof(struct program_header), .program_headers = (uint16_t)(dump.region_count + 2),
        .section_header_bytes = 40,
    };
    uint32_t offset = sizeof header + header.program_headers * sizeof(struct program_header);
    put(&header, sizeof header);
    offset = put_program_header(PT_NOTE, offset, NULL, dump.task_count * note_bytes("CORE", sizeof(struct prstatus)));
    for (uint32_t index = 0; index < dump.region_count; index++)
        offset = put_program_header(PT_LOAD, offset, dump.regions[index].start, dump.regions[index].bytes);
    put_program_header(PT_NOTE, offset, NULL,
                       note_bytes("ESP_CORE_DUMP_INFO", sizeof dump.info) + note_bytes("ESP_EXTRA_INFO", sizeof dump.extra)
                           + note_bytes("ESP_PANIC_DETAILS", strlen(dump.reason)));
}

static void put_all(uint32_t total_bytes)
{
    const struct container_header header = {total_bytes, CONTAINER_VERSION, 0, 0, 0, CHIP_REVISION};
    dump.bytes = 0;
    put(&header, sizeof header);
    put_headers();
    for (uint32_t index = 0; index < dump.task_count; index++)
        put_registers(dump.tasks[index]);
    for (uint32_t index = 0; index < dump.region_count; index++)
        put(dump.regions[index].start, dump.regions[index].bytes);
    put_note("ESP_CORE_DUMP_INFO", NOTE_CORE_DUMP_INFO, &dump.info, sizeof dump.info);
    put_note("ESP_EXTRA_INFO", NOTE_EXTRA_INFO, &dump.extra, sizeof dump.extra);
    put_note("ESP_PANIC_DETAILS", NOTE_PANIC_DETAILS, dump.reason, strlen(dump.reason));
}

static void add_region(const void *start, const void *end)
{
    dump.regions[dump.region_count++] = (struct region){start, padded((uint32_t)end - (uint32_t)start)};
}

static void add_task(TCB_t *task)
{
    dump.tasks[dump.task_count++] = task;
    add_region(task, task + 1);
    add_region((const void *)task->pxTopOfStack, task->pxEndOfStack);
}

static void collect(RvExcFrame *frame)
{
    extern const char _coredump_dram_start[], _coredump_dram_end[];
    TCB_t *crashed = pxCurrentTCBs[0];
    crashed->pxTopOfStack = (StackType_t *)frame;
    memset(&dump, 0, sizeof dump);
    add_task(crashed);
    for (UBaseType_t index = 0; index < uxTaskGetNumberOfTasks(); index++)
        if (task_at(index) != crashed)
            add_task(task_at(index));
    add_region(_coredump_dram_start, _coredump_dram_end);
    dump.info.version = CONTAINER_VERSION;
    memcpy(dump.info.app_elf_sha256, app_elf_sha256_prefix(), APP_SHA_HEX_LENGTH);
    dump.extra = (struct extra_info){(uint32_t)crashed, port_interrupt_nesting != 0};
    text_format(dump.reason, sizeof dump.reason, "%s",
                g_panic_abort_details ? g_panic_abort_details : frame->mcause == 7 ? "Store access fault" : "Exception");
}

static void wait_for_enter(void)
{
    uint32_t deadline = board_milliseconds() + ENTER_WAIT_MS;
    for (int received = -1; received != '\r' && received != '\n' && board_milliseconds() < deadline;)
        received = uart_get();
}

void core_dump_to_uart(RvExcFrame *frame)
{
    collect(frame);
    log_write_early('I', TAG, "Press Enter to print core dump to UART...");
    wait_for_enter();
    log_write_early('I', TAG, "Print core dump to uart...");
    put_all(0);
    uint32_t total_bytes = dump.bytes + sizeof dump.crc;
    print_early("================= CORE DUMP START =================\n");
    dump.sending = true;
    dump.crc = UINT32_MAX;
    put_all(total_bytes);
    uint32_t checksum = ~dump.crc;
    send_line((const uint8_t *)&checksum, sizeof checksum);
    print_early("================= CORE DUMP END =================\n");
    print_early("Coredump checksum='%08x'\n", checksum);
    log_write_early('I', TAG, "Core dump has been written to uart.");
}
