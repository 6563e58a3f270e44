/* Logs what a process does to the files below one directory, in order, with the bytes.
 *
 * Preloaded into the process under test: POWERCUT_DIR is the directory (real path), POWERCUT_LOG
 * the log. One lock spans each call and its log entry, so the log's order is the order of effect.
 * A change that is not hooked (mmap, pwritev, stdio) is missing from the replay: a test then
 * fails, it never passes wrongly. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 1, WRITE, TRUNCATE, SYNC, RENAME, LINK, UNLINK, MKDIR, SAY };

struct __attribute__((packed)) header {
    uint8_t op;
    uint32_t path_bytes, data_bytes;
    uint64_t inode;
    int64_t offset;
};

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_length;
static int log_fd = -1;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define LOCKED(type, call, note)          \
    pthread_mutex_lock(&order);           \
    type result = call;                   \
    int saved_errno = errno;              \
    if (result >= 0) note;                \
    pthread_mutex_unlock(&order);         \
    errno = saved_errno;                  \
    return result

__attribute__((constructor)) static void start(void) {
    const char *directory = getenv("POWERCUT_DIR"), *log = getenv("POWERCUT_LOG");
    if (!directory || !log) return;
    snprintf(root, sizeof root, "%s", directory);
    root_length = strlen(root);
    log_fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int inside(const char *path) {
    return log_fd >= 0 && !strncmp(path, root, root_length) &&
           (path[root_length] == '/' || !path[root_length]);
}

static void append(int op, uint64_t inode, int64_t offset, const char *path, size_t path_bytes,
                   const void *data, size_t data_bytes) {
    struct header header = {op, path_bytes, data_bytes, inode, offset};
    struct iovec parts[] = {{&header, sizeof header}, {(void *)path, path_bytes},
                            {(void *)data, data_bytes}};
    size_t whole = sizeof header + path_bytes + data_bytes;
    if (writev(log_fd, parts, 3) != (ssize_t)whole) abort();
}

static int path_of_fd(int fd, char *out) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, out, PATH_MAX - 1);
    if (length < 0) return 0;
    out[length] = 0;
    return 1;
}

static void note_fd(int op, int fd, int64_t offset, const void *data, size_t bytes) {
    char path[PATH_MAX];
    struct stat status;
    if (log_fd < 0 || !path_of_fd(fd, path) || !inside(path) || fstat(fd, &status)) return;
    append(op, status.st_ino, offset, path, strlen(path), data, bytes);
}

/* The real path of a name that need not exist. */
static int full_path(int dirfd, const char *path, char *out) {
    char joined[2 * PATH_MAX], base[PATH_MAX] = "", parent[PATH_MAX];
    if (path[0] != '/' && dirfd != AT_FDCWD && !path_of_fd(dirfd, base)) return 0;
    if (path[0] != '/' && dirfd == AT_FDCWD && !getcwd(base, sizeof base)) return 0;
    snprintf(joined, sizeof joined, "%s/%s", base, path);
    for (size_t end = strlen(joined); end > 1 && joined[end - 1] == '/';) joined[--end] = 0;
    char *slash = strrchr(joined, '/');
    *slash = 0;
    if (!realpath(*joined ? joined : "/", parent)) return 0;
    return snprintf(out, PATH_MAX, "%s/%s", parent, slash + 1) < PATH_MAX;
}

static void note_name(int op, int dirfd, const char *name) {
    char path[PATH_MAX];
    struct stat status = {0};
    if (log_fd < 0 || !full_path(dirfd, name, path) || !inside(path)) return;
    lstat(path, &status);
    append(op, status.st_ino, 0, path, strlen(path), "", 0);
}

static void note_names(int op, int from_dir, const char *from, int to_dir, const char *to) {
    char source[PATH_MAX], target[PATH_MAX];
    struct stat status = {0};
    if (log_fd < 0 || !full_path(from_dir, from, source) || !full_path(to_dir, to, target)) return;
    if (!inside(target)) return;
    lstat(target, &status);
    append(op, status.st_ino, 0, target, strlen(target), source, strlen(source));
}

static int exists(int dirfd, const char *path) {
    return !faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW);
}

static void note_open(int fd, int flags, int existed) {
    if ((flags & O_CREAT) && !existed) note_fd(CREATE, fd, 0, "", 0);
    else if (flags & O_TRUNC) note_fd(TRUNCATE, fd, 0, "", 0);
}

#define MODE(flags, last) \
    mode_t mode = 0;      \
    va_list rest;         \
    va_start(rest, last); \
    if ((flags) & (O_CREAT | __O_TMPFILE)) mode = va_arg(rest, mode_t); \
    va_end(rest)

#define OPENS(name)                                                        \
    int name(const char *path, int flags, ...) {                           \
        MODE(flags, flags);                                                \
        int existed = exists(AT_FDCWD, path);                              \
        LOCKED(int, REAL(name)(path, flags, mode), note_open(result, flags, existed)); \
    }
#define OPENS_AT(name)                                                     \
    int name(int dirfd, const char *path, int flags, ...) {                \
        MODE(flags, flags);                                                \
        int existed = exists(dirfd, path);                                 \
        LOCKED(int, REAL(name)(dirfd, path, flags, mode), note_open(result, flags, existed)); \
    }
OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)

ssize_t write(int fd, const void *data, size_t bytes) {
    if (fd == STDOUT_FILENO && log_fd >= 0) {
        LOCKED(ssize_t, REAL(write)(fd, data, bytes), append(SAY, 0, 0, "", 0, data, result));
    }
    LOCKED(ssize_t, REAL(write)(fd, data, bytes),
           note_fd(WRITE, fd, lseek(fd, 0, SEEK_CUR) - result, data, result));
}

#define PWRITES(name, offset_type)                                             \
    ssize_t name(int fd, const void *data, size_t bytes, offset_type offset) { \
        LOCKED(ssize_t, REAL(name)(fd, data, bytes, offset),                   \
               note_fd(WRITE, fd, offset, data, result));                      \
    }
PWRITES(pwrite, off_t)
PWRITES(pwrite64, off64_t)

#define TRUNCATES(name, offset_type)                                                        \
    int name(int fd, offset_type size) {                                                    \
        LOCKED(int, REAL(name)(fd, size), note_fd(TRUNCATE, fd, size, "", 0));              \
    }
TRUNCATES(ftruncate, off_t)
TRUNCATES(ftruncate64, off64_t)

int fsync(int fd) { LOCKED(int, REAL(fsync)(fd), note_fd(SYNC, fd, 0, "", 0)); }
int fdatasync(int fd) { LOCKED(int, REAL(fdatasync)(fd), note_fd(SYNC, fd, 0, "", 0)); }

int rename(const char *from, const char *to) {
    LOCKED(int, REAL(rename)(from, to), note_names(RENAME, AT_FDCWD, from, AT_FDCWD, to));
}
int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    LOCKED(int, REAL(renameat)(from_dir, from, to_dir, to),
           note_names(RENAME, from_dir, from, to_dir, to));
}
int link(const char *from, const char *to) {
    LOCKED(int, REAL(link)(from, to), note_names(LINK, AT_FDCWD, from, AT_FDCWD, to));
}
int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    LOCKED(int, REAL(linkat)(from_dir, from, to_dir, to, flags),
           note_names(LINK, from_dir, from, to_dir, to));
}
int unlink(const char *path) {
    LOCKED(int, REAL(unlink)(path), note_name(UNLINK, AT_FDCWD, path));
}
int unlinkat(int dirfd, const char *path, int flags) {
    LOCKED(int, REAL(unlinkat)(dirfd, path, flags), note_name(UNLINK, dirfd, path));
}
int rmdir(const char *path) { LOCKED(int, REAL(rmdir)(path), note_name(UNLINK, AT_FDCWD, path)); }
int mkdir(const char *path, mode_t mode) {
    LOCKED(int, REAL(mkdir)(path, mode), note_name(MKDIR, AT_FDCWD, path));
}
int mkdirat(int dirfd, const char *path, mode_t mode) {
    LOCKED(int, REAL(mkdirat)(dirfd, path, mode), note_name(MKDIR, dirfd, path));
}

/* Copies inside the kernel show no bytes; refused, callers fall back to read and write. */
ssize_t sendfile64(int to, int from, off64_t *offset, size_t bytes) {
    (void)to, (void)from, (void)offset, (void)bytes;
    errno = ENOSYS;
    return -1;
}
ssize_t sendfile(int to, int from, off_t *offset, size_t bytes) {
    (void)to, (void)from, (void)offset, (void)bytes;
    errno = ENOSYS;
    return -1;
}
ssize_t copy_file_range(int from, off64_t *in, int to, off64_t *out, size_t bytes, unsigned flags) {
    (void)from, (void)in, (void)to, (void)out, (void)bytes, (void)flags;
    errno = ENOSYS;
    return -1;
}
