/* Log lines in ESP-IDF's format, whole lines at a time, and the console's prompt kept below them. */
#pragma once

#include <stddef.h>

#define ESP_LOGE(tag, ...) log_write('E', tag, __VA_ARGS__)
#define ESP_LOGW(tag, ...) log_write('W', tag, __VA_ARGS__)
#define ESP_LOGI(tag, ...) log_write('I', tag, __VA_ARGS__)
#define ESP_LOGD(tag, ...) log_write('D', tag, __VA_ARGS__)

void log_write(char level, const char *tag, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* For panics and for the time before tasks run: same line, but no lock, no prompt, nothing remembered. */
void log_write_early(char level, const char *tag, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Plain text, locked in the same way. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_early(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What stands on the line being typed, prompt included; NULL while no prompt is shown. */
void log_set_prompt_line(const char *text);
