/* SPDX-License-Identifier: MIT
 *
 * ptm_hash - hashing of words and bytes. Pure functions.
 */
#ifndef PTM_HASH_H
#define PTM_HASH_H

#include "base/ptm_base.h"

/* 2^64 / golden ratio (Knuth, TAOCP vol. 3, 6.4), and the multiplier of splitmix64's finaliser. */
#define PTM_HASH_SEED UINT64_C(0x9e3779b97f4a7c15)
#define PTM_HASH_MULTIPLIER UINT64_C(0xbf58476d1ce4e5b9)

/* A chain of words is added word by word, and spread between them. Both are one to one in the hash,
 * so two chains that differ in one word never meet again. Order matters, since exclusive or and
 * multiplication do not commute. Four cycles of latency for a word. */
static PTM_ALWAYS_INLINE uint64_t
ptm_hash_add(uint64_t hash, uint64_t word)
{
    return hash ^ word;
}

static PTM_ALWAYS_INLINE uint64_t
ptm_hash_spread(uint64_t hash)
{
    return hash * PTM_HASH_MULTIPLIER;
}

/* The end of a chain, and a word that is no part of it: both halves of their product (wyhash's
 * mum, with its first constant). */
static PTM_ALWAYS_INLINE uint64_t
ptm_hash_fold(uint64_t hash, uint64_t word)
{
    __uint128_t product = (__uint128_t)hash * (word ^ UINT64_C(0xa0761d6478bd642f));
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static PTM_ALWAYS_INLINE uint64_t
ptm_hash_step(uint64_t hash, uint64_t word)
{
    return ptm_hash_spread(ptm_hash_add(hash, word));
}

/* Spreads every bit of a chain of steps over the whole word. */
static PTM_ALWAYS_INLINE uint64_t
ptm_hash_end(uint64_t hash)
{
    hash ^= hash >> 32;
    hash *= PTM_HASH_SEED;
    return hash ^ hash >> 29;
}

static PTM_ALWAYS_INLINE uint32_t
ptm_hash_pair(uint64_t a, uint64_t b)
{
    return (uint32_t)ptm_hash_end(ptm_hash_step(ptm_hash_step(PTM_HASH_SEED, a), b));
}

uint64_t ptm_hash_bytes(const void *bytes, size_t len);

#endif
