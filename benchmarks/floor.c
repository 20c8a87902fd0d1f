/* The least that a program can do with a port's bytes: read, write, repeat. */
#include <fcntl.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    static char buffer[65536];
    ssize_t size;
    int port = count == 2 ? open(arguments[1], O_RDONLY | O_NOCTTY) : -1;

    if (port < 0)
        return 1;
    while ((size = read(port, buffer, sizeof buffer)) > 0)
        for (ssize_t done = 0; done < size;) {
            ssize_t written = write(1, buffer + done, size - done);
            if (written < 0)
                return 1;
            done += written;
        }
    return 0;
}
