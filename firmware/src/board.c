#include "board.h"

#define UART ((volatile uint8_t *)0x10000000u)
#define UART_LINE_STATUS 5
#define UART_RECEIVED 0x01u
#define UART_CAN_SEND 0x20u

#define CLINT_SOFTWARE_INTERRUPT ((volatile uint32_t *)0x02000000u)
#define CLINT_COMPARE ((volatile uint32_t *)0x02004000u)
#define CLINT_TIME ((volatile uint32_t *)0x0200bff8u)
#define TICKS_PER_MS 10000u

#define TEST_FINISHER ((volatile uint32_t *)0x00100000u)
#define FINISHER_RESET 0x7777u

/* 115200 baud, 10 bits a byte, in ticks of the 10 MHz timer. QEMU's UART takes bytes as fast as they are written;
 * a real one does not, and recordings are to have a real board's timing. */
#define TICKS_PER_BYTE 868u

#define HANDED_OVER 0x52535421u

volatile uint32_t scenario_word __attribute__((section(".noinit")));

static struct {
    uint32_t magic, reason, saved_pc, crash_count;
} kept_over_reset __attribute__((section(".noinit")));

static enum reset_reason reset_reason;
static uint32_t saved_pc;
static uint64_t time_at_boot, uart_free_at;

static uint64_t board_ticks(void)
{
    uint32_t high, low;
    do {
        high = CLINT_TIME[1];
        low = CLINT_TIME[0];
    } while (high != CLINT_TIME[1]);
    return ((uint64_t)high << 32) | low;
}

void board_init(void)
{
    time_at_boot = board_ticks();
    reset_reason = RESET_POWER_ON;
    if (kept_over_reset.magic == HANDED_OVER) {
        reset_reason = kept_over_reset.reason;
        saved_pc = kept_over_reset.saved_pc;
    } else {
        kept_over_reset.crash_count = 0;
    }
    kept_over_reset.magic = 0;   /* a reset from outside in this boot must not look like one of ours */
}

enum reset_reason board_reset_reason(void) { return reset_reason; }
uint32_t board_saved_pc(void) { return saved_pc; }
uint32_t board_crash_count(void) { return kept_over_reset.crash_count; }

__attribute__((noinline)) void board_reset(enum reset_reason reason)
{
    kept_over_reset.reason = reason;
    kept_over_reset.saved_pc = (uint32_t)__builtin_return_address(0);
    kept_over_reset.crash_count += reason == RESET_SOFTWARE_CPU;
    kept_over_reset.magic = HANDED_OVER;
    *TEST_FINISHER = FINISHER_RESET;
    for (;;)
        ;
}

uint32_t board_milliseconds(void)
{
    uint64_t ticks = board_ticks() - time_at_boot;
    uint32_t high = ticks >> 32, low = (uint32_t)ticks;
    /* 2^32 = 429496 * 10000 + 7296: a 64-bit division without a library. */
    return high * 429496u + low / TICKS_PER_MS + (high * 7296u + low % TICKS_PER_MS) / TICKS_PER_MS;
}

void board_wait_until(uint32_t milliseconds)
{
    while (board_milliseconds() < milliseconds)
        ;
}

void board_set_tick_in(uint32_t milliseconds)
{
    uint64_t at = board_ticks() + (uint64_t)milliseconds * TICKS_PER_MS;
    CLINT_COMPARE[1] = 0xffffffffu;   /* no interrupt between the two halves */
    CLINT_COMPARE[0] = (uint32_t)at;
    CLINT_COMPARE[1] = at >> 32;
}

void board_request_switch(bool requested) { *CLINT_SOFTWARE_INTERRUPT = requested; }
bool board_switch_requested(void) { return *CLINT_SOFTWARE_INTERRUPT & 1u; }

void uart_put(char character)
{
    while (board_ticks() < uart_free_at || !(UART[UART_LINE_STATUS] & UART_CAN_SEND))
        ;
    UART[0] = (uint8_t)character;
    uart_free_at = board_ticks() + TICKS_PER_BYTE;
}

void uart_write(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            uart_put('\r');
        uart_put(*text);
    }
}

int uart_get(void)
{
    return UART[UART_LINE_STATUS] & UART_RECEIVED ? UART[0] : -1;
}
