/* Preloaded into a Redis or Valkey: notes how much of each file has reached the disk, so that a test can take
 * away the rest, as a power cut would. A note stands in the server's working directory, its data folder, and is
 * named by the file's inode, which survives a renaming.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int synced(const char *call, int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, call);
    struct stat before;
    /* The size before the call: what another thread writes meanwhile may not be covered. */
    int known = fstat(file, &before) == 0 && S_ISREG(before.st_mode);
    int result = real(file);
    if (result == 0 && known) {
        char name[64], size[32];
        snprintf(name, sizeof name, "synced-%lu", (unsigned long)before.st_ino);
        int length = snprintf(size, sizeof size, "%-20lld", (long long)before.st_size);
        int note = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (note >= 0) {
            if (pwrite(note, size, length, 0) != length) unlink(name);
            close(note);
        }
    }
    return result;
}

int fsync(int file) { return synced("fsync", file); }
int fdatasync(int file) { return synced("fdatasync", file); }
