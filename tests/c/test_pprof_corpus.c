/* SPDX-License-Identifier: MIT
 *
 * Replays what fuzzing found: every file of the folders in argv, under the laws of
 * tests/fuzz/ptm_fuzz_laws.h, and the same files cut at some sixty places each.
 */
#include <dirent.h>

#include "ptm_fuzz_laws.h"

static char **folders;
static int n_folders;
static uint32_t n_files;
static uint8_t data[1 << 16];

static size_t
contents(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    NEED(file != NULL);
    size_t len = fread(data, 1, sizeof(data), file);
    NEED(len < sizeof(data) && fclose(file) == 0);
    return len;
}

static void
replay_folder(const char *path, void (*check)(const uint8_t *, size_t))
{
    DIR *folder = opendir(path);
    NEED(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') {
            int before = ptm_test_failed_checks;
            check(data, contents(path, entry->d_name));
            n_files++;
            if (ptm_test_failed_checks != before) {
                printf("# that was %s/%s\n", path, entry->d_name);
            }
        }
    }
    closedir(folder);
}

static void
the_laws_hold_for_every_file(void)
{
    for (int i = 0; i < n_folders; i++) {
        replay_folder(folders[i], check_any_bytes);
    }
    printf("# %u files\n", (unsigned)n_files);
    NEED(n_files > 0);
}

/* Only that it is read or refused: the laws for all prefixes would take minutes. */
static void
check_read(const uint8_t *bytes, size_t len)
{
    ptm_snap *snap = NULL;
    ptm_pprof_extra extra;
    ptm_format_why why;
    ptm_err err = read_copy(bytes, len, &snap, &extra, &why);
    CHECK(err == PTM_OK || err == PTM_EFORMAT);
    ptm_snap_decref(snap);
}

static void
check_cuts(const uint8_t *bytes, size_t len)
{
    for (size_t cut = 0; cut < len; cut += 1 + len / 64) {
        check_read(bytes, cut);
    }
}

static void
cut_files_are_read_or_refused(void)
{
    for (int i = 0; i < n_folders; i++) {
        replay_folder(folders[i], check_cuts);
    }
}

int
main(int argc, char **argv)
{
    ptm_test_seed(0, NULL);
    folders = argv + 1;
    n_folders = argc - 1;
    RUN(the_laws_hold_for_every_file);
    RUN(cut_files_are_read_or_refused);
    return ptm_test_done();
}
