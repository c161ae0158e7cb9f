/* A machine that a test can treat badly: loaded into a process before the C library.
 *
 * What is synced of the files below FALCO_TALON_TEST_SYNCED is copied beside them, so that a test can take away the
 * rest. The clock is off by as many seconds as the file FALCO_TALON_TEST_CLOCK says, which may change at any time. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *synced_below;
static const volatile int64_t *seconds_off;

__attribute__((constructor)) static void begin(void) {
    synced_below = getenv("FALCO_TALON_TEST_SYNCED");
    const char *path = getenv("FALCO_TALON_TEST_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        void *mapped = mmap(NULL, sizeof *seconds_off, PROT_READ, MAP_SHARED, file, 0);
        seconds_off = mapped == MAP_FAILED ? NULL : mapped;
        close(file);
    }
}

/* A process that ends in the middle leaves the copy that was there before. */
static void copy(int from) {
    char link[64], path[4096], next[4200], copied[4200];
    struct stat status;
    snprintf(link, sizeof link, "/proc/self/fd/%d", from);
    ssize_t length = synced_below ? readlink(link, path, sizeof path - 1) : -1;
    if (length < 0 || fstat(from, &status) || !S_ISREG(status.st_mode)) return;
    path[length] = 0;
    if (strncmp(path, synced_below, strlen(synced_below))) return;
    snprintf(copied, sizeof copied, "%s.synced", path);
    snprintf(next, sizeof next, "%s.next", copied);
    int to = open(next, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    off_t at = 0;
    while (to >= 0 && at < status.st_size) {
        char bytes[1 << 16];
        ssize_t count = pread(from, bytes, sizeof bytes, at);
        if (count <= 0 || write(to, bytes, count) != count) abort();
        at += count;
    }
    if (to < 0 || close(to) || rename(next, copied)) abort();
}

int fsync(int file) {
    int result = syscall(SYS_fsync, file);
    if (result == 0) copy(file);
    return result;
}

int fdatasync(int file) {
    int result = syscall(SYS_fdatasync, file);
    if (result == 0) copy(file);
    return result;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && clock == CLOCK_REALTIME && seconds_off) now->tv_sec += *seconds_off;
    return result;
}
