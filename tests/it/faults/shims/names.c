/* Names that end in .shop-test.localhost are looked up as the first letter in the file $OW_NAMES says: (o)k, on this machine;
   (n)o such name; (s)erver failure; (h)anging. Loaded before the C library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char said(void) {
    const char *path = getenv("OW_NAMES");
    int fd = path ? open(path, O_RDONLY) : -1;
    char letter = 'n';
    if (fd >= 0) {
        if (read(fd, &letter, 1) != 1)
            letter = 'n';
        close(fd);
    }
    return letter;
}

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict out) {
    static const char ours[] = ".shop-test.localhost";
    lookup *real = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    size_t length = name ? strlen(name) : 0, tail = sizeof ours - 1;
    if (length < tail || strcmp(name + length - tail, ours) != 0)
        return real(name, service, hints, out);
    switch (said()) {
    case 'o':
        return real("127.0.0.1", service, hints, out);
    case 's':
        return EAI_AGAIN;
    case 'h':
        sleep(5);
        return EAI_AGAIN;
    default:
        return EAI_NONAME;
    }
}
