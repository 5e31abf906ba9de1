/* Interrupt a process at its k-th call that changes the disk. Preloaded by test_store_sweep.py.
 *
 * fault_arm(at, mode, fd) starts counting; fd is the pipe to the test: what is written there is not counted, and the
 * shim itself says "F" there, by a bare system call, at the moment the fault fires.
 *
 * Modes: 0 count only; 1 kill before the call; 2 kill after it; 3 kill in the middle of a write (other calls are not
 * counted); 4 the disk is full from this call on (calls that need space fail with ENOSPC); 5 this one call fails with EIO;
 * 6 the disk is dead from this call on (every call fails with EIO); +16: renameat2 is missing (ENOSYS), not counted.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, KILL_BEFORE, KILL_AFTER, TORN, FULL, EIO_ONCE, DEAD, NO_EXCHANGE = 16 };

static int armed, mode, no_exchange, pipe_fd = -1;
static long at, seen;

void fault_arm(long k, int m, int fd) {
    at = k;
    mode = m & 15;
    no_exchange = m & NO_EXCHANGE;
    pipe_fd = fd;
    seen = 0;
    armed = 1;
}

long fault_disarm(void) {
    armed = 0;
    return seen;
}

static void fire(void) { syscall(SYS_write, pipe_fd, "F", 1); }

static void die(void) {
    fire();
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;) pause();
}

/* Count a call; give 0 to let it through, an errno to refuse it, -1 to die after it. `needs`: it takes space. */
static int met(int needs) {
    if (!armed || mode == TORN) return 0;
    seen++;
    if (mode == COUNT || seen < at) return 0;
    if (seen > at) return mode == DEAD ? EIO : mode == FULL && needs ? ENOSPC : 0;
    if (mode == KILL_BEFORE) die();
    if (mode == KILL_AFTER) return -1;
    fire();
    return mode == FULL ? ENOSPC : EIO;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define GUARD(needs, call)                                                                                             \
    do {                                                                                                               \
        int verdict = met(needs);                                                                                      \
        if (verdict > 0) { errno = verdict; return -1; }                                                               \
        __typeof__(call) result = call;                                                                                \
        if (verdict < 0) die();                                                                                        \
        return result;                                                                                                 \
    } while (0)

#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define MODE_ARG(flags)                                                                                                \
    mode_t bits = 0;                                                                                                   \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                                           \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        bits = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }

int open(const char *p, int flags, ...) {
    MODE_ARG(flags)
    if (!WRITES(flags)) return REAL(open)(p, flags, bits);
    GUARD(flags & O_CREAT, REAL(open)(p, flags, bits));
}
int open64(const char *p, int flags, ...) {
    MODE_ARG(flags)
    if (!WRITES(flags)) return REAL(open64)(p, flags, bits);
    GUARD(flags & O_CREAT, REAL(open64)(p, flags, bits));
}
int openat(int d, const char *p, int flags, ...) {
    MODE_ARG(flags)
    if (!WRITES(flags)) return REAL(openat)(d, p, flags, bits);
    GUARD(flags & O_CREAT, REAL(openat)(d, p, flags, bits));
}
int openat64(int d, const char *p, int flags, ...) {
    MODE_ARG(flags)
    if (!WRITES(flags)) return REAL(openat64)(d, p, flags, bits);
    GUARD(flags & O_CREAT, REAL(openat64)(d, p, flags, bits));
}

ssize_t write(int fd, const void *data, size_t n) {
    if (fd == pipe_fd) return REAL(write)(fd, data, n);
    if (armed && mode == TORN && ++seen == at) {
        REAL(write)(fd, data, n / 2);
        die();
    }
    GUARD(1, REAL(write)(fd, data, n));
}
ssize_t writev(int fd, const struct iovec *v, int n) { GUARD(1, REAL(writev)(fd, v, n)); }
ssize_t pwrite(int fd, const void *data, size_t n, off_t o) { GUARD(1, REAL(pwrite)(fd, data, n, o)); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t o) { GUARD(1, REAL(pwrite64)(fd, data, n, o)); }
ssize_t sendfile(int out, int in, off_t *o, size_t n);
ssize_t sendfile(int out, int in, off_t *o, size_t n) { GUARD(1, REAL(sendfile)(out, in, o, n)); }
ssize_t sendfile64(int out, int in, off64_t *o, size_t n);
ssize_t sendfile64(int out, int in, off64_t *o, size_t n) { GUARD(1, REAL(sendfile64)(out, in, o, n)); }
ssize_t copy_file_range(int i, off64_t *io, int o, off64_t *oo, size_t n, unsigned f) {
    GUARD(1, REAL(copy_file_range)(i, io, o, oo, n, f));
}
int fsync(int fd) { GUARD(1, REAL(fsync)(fd)); }
int fdatasync(int fd) { GUARD(1, REAL(fdatasync)(fd)); }
int ftruncate(int fd, off_t n) { GUARD(0, REAL(ftruncate)(fd, n)); }
int ftruncate64(int fd, off64_t n) { GUARD(0, REAL(ftruncate64)(fd, n)); }
int truncate(const char *p, off_t n) { GUARD(0, REAL(truncate)(p, n)); }
int truncate64(const char *p, off64_t n) { GUARD(0, REAL(truncate64)(p, n)); }
int rename(const char *a, const char *b) { GUARD(0, REAL(rename)(a, b)); }
int renameat(int c, const char *a, int d, const char *b) { GUARD(0, REAL(renameat)(c, a, d, b)); }
int renameat2(int c, const char *a, int d, const char *b, unsigned f) {
    if (armed && no_exchange) { errno = ENOSYS; return -1; }
    GUARD(0, REAL(renameat2)(c, a, d, b, f));
}
int link(const char *a, const char *b) { GUARD(1, REAL(link)(a, b)); }
int linkat(int c, const char *a, int d, const char *b, int f) { GUARD(1, REAL(linkat)(c, a, d, b, f)); }
int symlink(const char *a, const char *b) { GUARD(1, REAL(symlink)(a, b)); }
int symlinkat(const char *a, int d, const char *b) { GUARD(1, REAL(symlinkat)(a, d, b)); }
int unlink(const char *p) { GUARD(0, REAL(unlink)(p)); }
int unlinkat(int d, const char *p, int f) { GUARD(0, REAL(unlinkat)(d, p, f)); }
int mkdir(const char *p, mode_t m) { GUARD(1, REAL(mkdir)(p, m)); }
int mkdirat(int d, const char *p, mode_t m) { GUARD(1, REAL(mkdirat)(d, p, m)); }
int rmdir(const char *p) { GUARD(0, REAL(rmdir)(p)); }
int chmod(const char *p, mode_t m) { GUARD(0, REAL(chmod)(p, m)); }
int fchmod(int fd, mode_t m) { GUARD(0, REAL(fchmod)(fd, m)); }
int fchmodat(int d, const char *p, mode_t m, int f) { GUARD(0, REAL(fchmodat)(d, p, m, f)); }
