/* How the firmware dies. */
#pragma once

#include "kernel.h"

/* Text for the panic message when a function gave up on its own (abort, assert); NULL after a fault. */
extern const char *volatile g_panic_abort_details;

__attribute__((noreturn)) void abort(void);
__attribute__((noreturn)) void __assert_func(const char *file, int line, const char *function, const char *expression);
__attribute__((noreturn)) void panic_handler(RvExcFrame *frame);

#define assert(expression) \
    ((expression) ? (void)0 : __assert_func(__FILE_NAME__, __LINE__, __func__, #expression))
