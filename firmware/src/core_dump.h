/* Writes a core dump in Espressif's container to the UART. */
#pragma once

#include "kernel.h"

void core_dump_init(void);
/* frame: registers of the crashed task, on its stack. */
void core_dump_to_uart(RvExcFrame *frame);
