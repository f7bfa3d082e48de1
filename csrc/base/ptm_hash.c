/* SPDX-License-Identifier: MIT */
#include "base/ptm_hash.h"

#include <string.h>

uint64_t
ptm_hash_bytes(const void *bytes, size_t len)
{
    const char *p = bytes;
    uint64_t hash = PTM_HASH_SEED ^ len, word;
    for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        hash = ptm_hash_step(hash, word);
    }
    word = 0;
    memcpy(&word, p, len);
    return ptm_hash_end(ptm_hash_step(hash, word));
}
