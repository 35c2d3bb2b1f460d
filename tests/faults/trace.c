/* A trace of everything that programs change below a folder, in the order in which the calls returned.
 *
 * It is loaded with LD_PRELOAD into the engine and into every process that the engine starts. TRACE is the file to which
 * records are appended, each with a single write, and FOLDER the folder whose changes are recorded. A sync is recorded
 * twice, when it begins and when it has returned. It covers what was recorded before it began.
 *
 * Files are identified by their inode. A record of a new file or folder begins another life of its inode.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The log of the recorders, which posix_spawn opens inside the C library. */
#define UNSEEN "/recorders.log"

enum kind { CREATE = 1, WRITE, TRUNCATE, RENAME, LINK, UNLINK, MKDIR, SYNC_BEGIN, SYNC_END };

struct record {
    uint32_t kind, pid;
    uint64_t inode;
    int64_t offset; /* of a write; the size after a truncation; the number of a sync */
    double at;      /* Unix seconds */
    uint32_t path, target, data; /* bytes of each that follow */
    uint32_t zero;
};

#define ORIGINAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define PREPARE(name)                     \
    static __typeof__(&name) original;    \
    if (!original)                        \
        original = ORIGINAL(name)

/* The file is opened for each record, because programs close descriptors that they do not know. */
static void note(enum kind kind, uint64_t inode, int64_t offset, const char *path, const char *target,
                 const void *data, size_t size) {
    int before = errno;
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    struct record head = {kind, getpid(), inode, offset, now.tv_sec + now.tv_nsec / 1e9,
                          path ? strlen(path) : 0, target ? strlen(target) : 0, size, 0};
    struct iovec parts[] = {{&head, sizeof head}, {(char *)path, head.path}, {(char *)target, head.target},
                            {(void *)data, size}};
    int file = syscall(SYS_openat, AT_FDCWD, TRACE, O_WRONLY | O_APPEND | O_CLOEXEC, 0);
    if (file < 0 || syscall(SYS_writev, file, parts, 4) < 0)
        abort(); /* a trace with a gap proves nothing */
    syscall(SYS_close, file);
    errno = before;
}

static int below(const char *path) {
    size_t length = sizeof FOLDER - 1;
    return strncmp(path, FOLDER, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* Whether an open file or folder is below FOLDER. */
static int traced(int fd, struct stat *status) {
    char link[64], path[PATH_MAX];
    int before = errno, found = 0;
    if (fstat(fd, status) == 0 && (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode))) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        path[length < 0 ? 0 : length] = 0;
        found = below(path) && !strstr(path, UNSEEN);
    }
    errno = before;
    return found;
}

/* The absolute path of a name, without resolving links. Returns whether it is below FOLDER. */
static int place(int folder, const char *name, char *path) {
    int before = errno;
    char link[64];
    *path = 0;
    if (*name == '/') {
        snprintf(path, PATH_MAX, "%s", name);
    } else {
        snprintf(link, sizeof link, "/proc/self/%s", "cwd");
        if (folder != AT_FDCWD)
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, path, PATH_MAX - 1);
        length = length < 0 ? 0 : length;
        snprintf(path + length, PATH_MAX - length, "/%s", name);
    }
    errno = before;
    return below(path);
}

static uint64_t inode_at(int folder, const char *name) {
    struct stat status;
    int before = errno, failed = fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW);
    errno = before;
    return failed ? 0 : status.st_ino;
}

static void note_write(int fd, int64_t at, const void *data, ssize_t size) {
    struct stat status;
    if (size <= 0 || !traced(fd, &status))
        return;
    if (at < 0)
        at = lseek(fd, 0, SEEK_CUR) - size;
    note(WRITE, status.st_ino, at, NULL, NULL, data, size);
}

/* Bytes that the kernel copied are read back. */
static void note_copy(int fd, int64_t at, ssize_t size) {
    struct stat status;
    char path[64];
    if (size <= 0 || !traced(fd, &status))
        return;
    if (at < 0)
        at = lseek(fd, 0, SEEK_CUR) - size;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int file = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    char *data = malloc(size);
    if (file < 0 || !data || pread(file, data, size, at) != size)
        abort();
    note(WRITE, status.st_ino, at, NULL, NULL, data, size);
    free(data);
    syscall(SYS_close, file);
}

static void note_size(int fd) {
    struct stat status;
    if (traced(fd, &status))
        note(TRUNCATE, status.st_ino, status.st_size, NULL, NULL, NULL, 0);
}

ssize_t write(int fd, const void *data, size_t size) {
    PREPARE(write);
    ssize_t done = original(fd, data, size);
    note_write(fd, -1, data, done);
    return done;
}

#define ON_PWRITE(name, offset)                                        \
    ssize_t name(int fd, const void *data, size_t size, offset at) {   \
        PREPARE(name);                                                 \
        ssize_t done = original(fd, data, size, at);                   \
        note_write(fd, at, data, done);                                \
        return done;                                                   \
    }
ON_PWRITE(pwrite, off_t)
ON_PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    PREPARE(writev);
    ssize_t done = original(fd, parts, count);
    note_copy(fd, -1, done);
    return done;
}

ssize_t copy_file_range(int source, off64_t *from, int fd, off64_t *to, size_t size, unsigned flags) {
    PREPARE(copy_file_range);
    ssize_t done = original(source, from, fd, to, size, flags);
    note_copy(fd, to ? *to - done : -1, done);
    return done;
}

#define ON_SENDFILE(name, offset)                                      \
    ssize_t name(int fd, int source, offset *from, size_t size) {      \
        PREPARE(name);                                                 \
        ssize_t done = original(fd, source, from, size);               \
        note_copy(fd, -1, done);                                       \
        return done;                                                   \
    }
ON_SENDFILE(sendfile, off_t)
ON_SENDFILE(sendfile64, off64_t)

#define ON_SIZE(name, parameters, arguments)                           \
    int name parameters {                                              \
        PREPARE(name);                                                 \
        int failed = original arguments;                               \
        if (!failed)                                                   \
            note_size(fd);                                             \
        return failed;                                                 \
    }
ON_SIZE(ftruncate, (int fd, off_t size), (fd, size))
ON_SIZE(ftruncate64, (int fd, off64_t size), (fd, size))
ON_SIZE(posix_fallocate, (int fd, off_t at, off_t size), (fd, at, size))
ON_SIZE(posix_fallocate64, (int fd, off64_t at, off64_t size), (fd, at, size))

static int synced(int (*sync)(int), int fd) {
    static atomic_uint_fast32_t count;
    struct stat status;
    int found = traced(fd, &status);
    int64_t number = ((int64_t)getpid() << 32) + ++count;
    if (found)
        note(SYNC_BEGIN, status.st_ino, number, NULL, NULL, NULL, 0);
    int failed = sync(fd);
    if (found && !failed)
        note(SYNC_END, status.st_ino, number, NULL, NULL, NULL, 0);
    return failed;
}

int fsync(int fd) {
    PREPARE(fsync);
    return synced(original, fd);
}

int fdatasync(int fd) {
    PREPARE(fdatasync);
    return synced(original, fd);
}

static void note_open(int fd, int folder, const char *name, int flags, int existed) {
    char path[PATH_MAX];
    if (fd < 0 || !place(folder, name, path))
        return;
    if (flags & O_CREAT && !existed)
        note(CREATE, inode_at(folder, name), 0, path, NULL, NULL, 0);
    else if (flags & O_TRUNC)
        note_size(fd);
}

#define MODE(flags)                                                    \
    va_list more;                                                      \
    va_start(more, flags);                                             \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
    va_end(more);                                                      \
    int existed = flags & (O_CREAT | O_TRUNC) ? inode_at(folder, path) != 0 : 1

#define ON_OPEN(name)                                                  \
    int name(const char *path, int flags, ...) {                       \
        PREPARE(name);                                                 \
        int folder = AT_FDCWD;                                         \
        MODE(flags);                                                   \
        int fd = original(path, flags, mode);                          \
        note_open(fd, folder, path, flags, existed);                   \
        return fd;                                                     \
    }
ON_OPEN(open)
ON_OPEN(open64)

#define ON_OPENAT(name)                                                \
    int name(int folder, const char *path, int flags, ...) {           \
        PREPARE(name);                                                 \
        MODE(flags);                                                   \
        int fd = original(folder, path, flags, mode);                  \
        note_open(fd, folder, path, flags, existed);                   \
        return fd;                                                     \
    }
ON_OPENAT(openat)
ON_OPENAT(openat64)

/* Names: each call is recorded with absolute paths once it has succeeded. */
static int named(enum kind kind, int failed, uint64_t inode, int folder, const char *name, int other,
                 const char *target) {
    char path[PATH_MAX], second[PATH_MAX];
    if (failed)
        return failed;
    int found = place(folder, name, path);
    if (target)
        found = place(other, target, second) || found;
    if (found)
        note(kind, inode ? inode : inode_at(folder, name), 0, path, target ? second : NULL, NULL, 0);
    return 0;
}

int mkdir(const char *path, mode_t mode) {
    PREPARE(mkdir);
    return named(MKDIR, original(path, mode), 0, AT_FDCWD, path, 0, NULL);
}

int mkdirat(int folder, const char *path, mode_t mode) {
    PREPARE(mkdirat);
    return named(MKDIR, original(folder, path, mode), 0, folder, path, 0, NULL);
}

int unlink(const char *path) {
    PREPARE(unlink);
    uint64_t inode = inode_at(AT_FDCWD, path);
    return named(UNLINK, original(path), inode, AT_FDCWD, path, 0, NULL);
}

int unlinkat(int folder, const char *path, int flags) {
    PREPARE(unlinkat);
    uint64_t inode = inode_at(folder, path);
    return named(UNLINK, original(folder, path, flags), inode, folder, path, 0, NULL);
}

int rmdir(const char *path) {
    PREPARE(rmdir);
    uint64_t inode = inode_at(AT_FDCWD, path);
    return named(UNLINK, original(path), inode, AT_FDCWD, path, 0, NULL);
}

int rename(const char *path, const char *target) {
    PREPARE(rename);
    uint64_t inode = inode_at(AT_FDCWD, path);
    return named(RENAME, original(path, target), inode, AT_FDCWD, path, AT_FDCWD, target);
}

int renameat(int folder, const char *path, int other, const char *target) {
    PREPARE(renameat);
    uint64_t inode = inode_at(folder, path);
    return named(RENAME, original(folder, path, other, target), inode, folder, path, other, target);
}

int link(const char *path, const char *target) {
    PREPARE(link);
    return named(LINK, original(path, target), 0, AT_FDCWD, path, AT_FDCWD, target);
}

int linkat(int folder, const char *path, int other, const char *target, int flags) {
    PREPARE(linkat);
    return named(LINK, original(folder, path, other, target, flags), 0, folder, path, other, target);
}
