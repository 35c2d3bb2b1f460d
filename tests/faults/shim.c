/* Faults of the system below a program: failing writes, a clock that is set, and names that do not resolve.
 *
 * It is loaded with LD_PRELOAD into the engine and into every process that the engine starts. A test switches the
 * faults on and off in a file that all of them map. CONTROL is the path of that file, FOLDER the folder whose files
 * fail, and HOST the only name that is known.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct control {
    int32_t error;     /* errno of writes below FOLDER, or 0 */
    int32_t nameless;  /* whether no name resolves */
    double step_s;     /* seconds by which the wall clock differs */
};

static const volatile struct control healthy;
static const volatile struct control *control = &healthy;

__attribute__((constructor)) static void load(void) {
    int file = open(CONTROL, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    void *found = mmap(NULL, sizeof healthy, PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED)
        control = found;
    close(file);
}

static int below(const char *path) {
    return strncmp(path, FOLDER "/", sizeof FOLDER) == 0;
}

/* Whether the fault applies to an open file. Sets errno. */
static int fails(int fd) {
    int error = control->error, kept = errno;
    if (!error)
        return 0;
    char link[64], path[4096];
    struct stat status;
    int found = 0;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        path[length < 0 ? 0 : length] = 0;
        found = below(path);
    }
    errno = found ? error : kept;
    return found;
}

static int fails_at(const char *path) {
    int error = control->error;
    if (!error || !below(path))
        return 0;
    errno = error;
    return 1;
}

#define ORIGINAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define ON_FILE(result, name, parameters, arguments)      \
    result name parameters {                              \
        static __typeof__(&name) original;                \
        if (!original)                                    \
            original = ORIGINAL(name);                    \
        return fails(fd) ? -1 : original arguments;       \
    }

#define ON_PATH(name, parameters, arguments)              \
    int name parameters {                                 \
        static __typeof__(&name) original;                \
        if (!original)                                    \
            original = ORIGINAL(name);                    \
        return fails_at(path) ? -1 : original arguments;  \
    }

ON_FILE(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
ON_FILE(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
ON_FILE(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at))
ON_FILE(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
ON_FILE(int, fsync, (int fd), (fd))
ON_FILE(int, fdatasync, (int fd), (fd))
ON_FILE(int, ftruncate, (int fd, off_t size), (fd, size))
ON_FILE(int, ftruncate64, (int fd, off64_t size), (fd, size))
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode))
ON_PATH(unlink, (const char *path), (path))
ON_PATH(rename, (const char *path, const char *target), (path, target))

/* A file system that fails does not create files either. */
#define ON_OPEN(name)                                                              \
    int name(const char *path, int flags, ...) {                                   \
        static __typeof__(&name) original;                                         \
        va_list more;                                                              \
        va_start(more, flags);                                                     \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;    \
        va_end(more);                                                              \
        if (!original)                                                             \
            original = ORIGINAL(name);                                             \
        if (flags & O_CREAT && control->error && access(path, F_OK) && fails_at(path)) \
            return -1;                                                             \
        return original(path, flags, mode);                                        \
    }

ON_OPEN(open)
ON_OPEN(open64)

int clock_gettime(clockid_t clock, struct timespec *now) {
    static __typeof__(&clock_gettime) original;
    if (!original)
        original = ORIGINAL(clock_gettime);
    int result = original(clock, now);
    double step_s = control->step_s;
    if (result == 0 && clock == CLOCK_REALTIME && step_s) {
        int64_t total = now->tv_sec * 1000000000LL + now->tv_nsec + (int64_t)(step_s * 1e9);
        now->tv_sec = total / 1000000000LL;
        now->tv_nsec = total % 1000000000LL;
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (result)
        *result = exact.tv_sec;
    return exact.tv_sec;
}

int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict found) {
    static __typeof__(&getaddrinfo) original;
    struct in6_addr number;
    if (!original)
        original = ORIGINAL(getaddrinfo);
    if (!node || inet_pton(AF_INET, node, &number) == 1 || inet_pton(AF_INET6, node, &number) == 1)
        return original(node, service, hints, found);
    if (control->nameless)
        return EAI_AGAIN;
    return original(strcmp(node, HOST) ? node : "127.0.0.1", service, hints, found);
}
