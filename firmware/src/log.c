#include "log.h"

#include "board.h"
#include "kernel.h"
#include "text.h"

#define LINE_BYTES 200u
#define RECENT_BYTES 2048u

/* The newest log text: a core dump shows what was said last. */
COREDUMP_DRAM_ATTR static char recent_log[RECENT_BYTES];
COREDUMP_DRAM_ATTR static size_t recent_log_end;

static const char *volatile prompt_line;

void log_set_prompt_line(const char *text) { prompt_line = text; }

static const char *colour(char level)
{
    switch (level) {
    case 'E': return "\033[0;31m";
    case 'W': return "\033[0;33m";
    case 'I': return "\033[0;32m";
    default: return "";
    }
}

static size_t format_line(char line[LINE_BYTES], char level, const char *tag, const char *format, va_list arguments)
{
    size_t used = text_format(line, LINE_BYTES, "%s%c (%u) %s: ", colour(level), level, board_milliseconds(), tag);
    used += text_format_list(line + used, LINE_BYTES - used - 8, format, arguments);
    return used + text_format(line + used, LINE_BYTES - used, "\033[0m\n");
}

static void remember(const char *line, size_t length)
{
    for (size_t index = 0; index < length; index++)
        recent_log[recent_log_end++ % RECENT_BYTES] = line[index];
}

void log_write(char level, const char *tag, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    vTaskSuspendAll();
    if (prompt_line && *prompt_line)
        uart_write("\n");
    va_start(arguments, format);
    size_t length = format_line(line, level, tag, format, arguments);
    va_end(arguments);
    remember(line, length);
    uart_write(line);
    if (prompt_line)
        uart_write(prompt_line);
    xTaskResumeAll();
}

void log_write_early(char level, const char *tag, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    format_line(line, level, tag, format, arguments);
    va_end(arguments);
    uart_write(line);
}

void print(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    text_format_list(line, sizeof line, format, arguments);
    va_end(arguments);
    vTaskSuspendAll();
    uart_write(line);
    xTaskResumeAll();
}

void print_early(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    text_format_list(line, sizeof line, format, arguments);
    va_end(arguments);
    uart_write(line);
}
