/* The time of day, ahead by the milliseconds in the file $OW_OFFSET (eight bytes, as the machine has them), also
   while it changes. The steady clock stays as it is. Loaded before the C library. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *shared;
static long long none;

static long long ahead(void) {
    if (!shared) {
        const char *path = getenv("OW_OFFSET");
        int fd = path ? open(path, O_RDONLY) : -1;
        void *at = fd < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ, MAP_SHARED, fd, 0);
        if (fd >= 0)
            close(fd);
        shared = at == MAP_FAILED ? &none : at;
    }
    return *shared;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    int done = syscall(SYS_clock_gettime, clock, out);
    if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        long long ns = out->tv_nsec + (ahead() % 1000) * 1000000LL;
        out->tv_sec += ahead() / 1000 + (ns < 0 ? -1 : ns / 1000000000LL);
        out->tv_nsec = ns < 0 ? ns + 1000000000LL : ns % 1000000000LL;
    }
    return done;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
