/* SPDX-License-Identifier: MIT
 *
 * ptm_format_why - what is wrong with a file, as all readers of files say it.
 */
#ifndef PTM_FORMAT_WHY_H
#define PTM_FORMAT_WHY_H

/* One sentence without a full stop, such as "sample 17: location id 99 is not in the file (byte
 * 5021)". */
typedef struct {
    char text[200];
} ptm_format_why;

#endif
