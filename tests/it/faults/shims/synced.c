/* Notes how long each file was when it was last flushed, in $OW_SYNCED/<name of the file>: what a power cut
   would leave of it. Loaded before the C library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void note(int fd, long long size) {
    const char *dir = getenv("OW_SYNCED");
    char link[64], path[4096], out[8192], text[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (!dir || n <= 0)
        return;
    path[n] = 0;
    const char *name = strrchr(path, '/');
    snprintf(out, sizeof out, "%s/%s", dir, name ? name + 1 : path);
    int to = open(out, O_WRONLY | O_CREAT, 0600);
    if (to < 0)
        return;
    int length = snprintf(text, sizeof text, "%020lld", size);
    if (pwrite(to, text, length, 0) != length)
        abort();
    close(to);
}

/* Only what was there before the flush is certain to be flushed. */
static int flush(int fd, const char *name) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    struct stat before;
    int known = fstat(fd, &before) == 0;
    int done = real(fd);
    if (done == 0 && known)
        note(fd, (long long)before.st_size);
    return done;
}

int fdatasync(int fd) { return flush(fd, "fdatasync"); }
int fsync(int fd) { return flush(fd, "fsync"); }
