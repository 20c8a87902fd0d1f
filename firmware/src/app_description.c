#include "app_description.h"

/* volatile: the compiler must not take the zeros it sees for the value at run time. */
const volatile struct app_description app_description __attribute__((section(".rodata_desc"), used)) = {
    .magic = 0xabcd5432u,
    .version = "1.0.0",
    .project_name = "greenhouse",
};

const char *app_elf_sha256_prefix(void)
{
    static char text[APP_SHA_HEX_LENGTH + 1];
    for (uint32_t index = 0; index < APP_SHA_HEX_LENGTH; index++) {
        uint8_t byte = app_description.app_elf_sha256[index / 2];
        text[index] = "0123456789abcdef"[index % 2 ? byte & 15u : byte >> 4];
    }
    return text;
}
