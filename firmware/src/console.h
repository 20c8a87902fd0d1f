/* The prompt on the UART and its commands. */
#pragma once

void console_task(void *argument);
