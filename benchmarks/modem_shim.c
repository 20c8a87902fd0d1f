/* For esp-idf-monitor, preloaded: a pseudo-terminal has no control lines, and that program can't go on without them.
 * Requests that concern them succeed and do nothing; all others go to the kernel. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

int ioctl(int descriptor, unsigned long request, ...)
{
    va_list arguments;
    void *argument;

    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    switch (request) {
    case TIOCMGET:
        *(int *)argument = 0;
        return 0;
    case TIOCMSET:
    case TIOCMBIS:
    case TIOCMBIC:
        return 0;
    default:
        return syscall(SYS_ioctl, descriptor, request, argument);
    }
}
