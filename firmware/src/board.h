/* The machine: UART, timer, reset, and what survives a reset. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the person who records asks for: a word in memory that QEMU's loader device sets at each reset. */
enum scenario {
    SCENARIO_CONSOLE = 0,   /* never crashes unasked */
    SCENARIO_CRASH = 1,     /* crashes when nobody types */
    SCENARIO_NO_END = 2,    /* same, but the core dump stops for ever */
    SCENARIO_CHATTY = 3,    /* logs a lot */
};

enum reset_reason {
    RESET_POWER_ON = 0x1,
    RESET_SOFTWARE_SYSTEM = 0x3,   /* esp_restart() */
    RESET_SOFTWARE_CPU = 0xc,      /* after a panic */
};

extern volatile uint32_t scenario_word;

void board_init(void);
enum reset_reason board_reset_reason(void);
uint32_t board_saved_pc(void);
uint32_t board_crash_count(void);
__attribute__((noreturn)) void board_reset(enum reset_reason reason);

uint32_t board_milliseconds(void);
void board_wait_until(uint32_t milliseconds);
void board_set_tick_in(uint32_t milliseconds);
void board_request_switch(bool requested);
bool board_switch_requested(void);

void uart_put(char character);
void uart_write(const char *text);
/* Returns -1 when nothing was received. */
int uart_get(void);
