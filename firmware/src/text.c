#include "text.h"

#include <stdbool.h>

void *memcpy(void *to, const void *from, size_t size)
{
    uint8_t *target = to;
    const uint8_t *source = from;
    while (size--)
        *target++ = *source++;
    return to;
}

void *memset(void *to, int value, size_t size)
{
    uint8_t *target = to;
    while (size--)
        *target++ = (uint8_t)value;
    return to;
}

int memcmp(const void *one, const void *other, size_t size)
{
    const uint8_t *left = one, *right = other;
    for (; size; size--, left++, right++)
        if (*left != *right)
            return *left - *right;
    return 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

int strcmp(const char *one, const char *other)
{
    while (*one && *one == *other)
        one++, other++;
    return (uint8_t)*one - (uint8_t)*other;
}

struct output {
    char *at, *end;
};

static void put(struct output *output, char character)
{
    if (output->at < output->end)
        *output->at++ = character;
}

static void put_padded(struct output *output, const char *text, size_t width, char fill, bool left)
{
    size_t length = strlen(text);
    for (size_t column = length; !left && column < width; column++)
        put(output, fill);
    while (*text)
        put(output, *text++);
    for (size_t column = length; left && column < width; column++)
        put(output, ' ');
}

static const char *number(char digits[12], uint32_t value, uint32_t base, bool negative)
{
    char *at = digits + 11;
    *at = '\0';
    do {
        *--at = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (negative)
        *--at = '-';
    return at;
}

size_t text_format_list(char *buffer, size_t size, const char *format, va_list arguments)
{
    struct output output = {buffer, buffer + size - 1};
    for (; *format; format++) {
        char digits[12], fill = ' ';
        size_t width = 0;
        bool left = false;
        if (*format != '%') {
            put(&output, *format);
            continue;
        }
        for (format++; *format == '-' || *format == '0'; format++) {
            left |= *format == '-';
            fill = *format == '0' ? '0' : fill;
        }
        for (; *format >= '0' && *format <= '9'; format++)
            width = width * 10 + (size_t)(*format - '0');
        switch (*format) {
        case 's':
            put_padded(&output, va_arg(arguments, const char *), width, ' ', left);
            break;
        case 'd': {
            int32_t value = va_arg(arguments, int32_t);
            put_padded(&output, number(digits, value < 0 ? -(uint32_t)value : (uint32_t)value, 10, value < 0), width, fill, left);
            break;
        }
        case 'u':
            put_padded(&output, number(digits, va_arg(arguments, uint32_t), 10, false), width, fill, left);
            break;
        case 'p':
        case 'x':
            put_padded(&output, number(digits, va_arg(arguments, uint32_t), 16, false), width, fill, left);
            break;
        case 'c':
            put(&output, (char)va_arg(arguments, int));
            break;
        default:
            put(&output, *format);
        }
    }
    *output.at = '\0';
    return (size_t)(output.at - buffer);
}

size_t text_format(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t length = text_format_list(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}
