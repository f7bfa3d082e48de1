/* SPDX-License-Identifier: MIT
 *
 * Tables of positions are written here by the format's own rules, from rows that are known, and
 * read back.
 */
#include "pyver/ptm_linetable.h"
#include "ptm_test.h"

#define MOST_ROWS 200

typedef struct {
    int units; /* 1 to 8 */
    ptm_position position;
} row;

static uint8_t table[MOST_ROWS * 32];
static size_t len;

static void
put_byte(unsigned byte)
{
    table[len++] = (uint8_t)byte;
}

static void
put_varint(uint32_t value)
{
    while (value >= 64) {
        put_byte(64 | (value & 63));
        value >>= 6;
    }
    put_byte(value);
}

static void
put_signed_varint(int32_t value)
{
    put_varint(value < 0 ? (uint32_t)-value << 1 | 1 : (uint32_t)value << 1);
}

static void
put_head(unsigned code, int units)
{
    put_byte(0x80u | code << 3 | (unsigned)(units - 1));
}

/* Writes a row in the shortest form it fits into, or in the long one; keeps the running line. */
static void
put_row(const row *r, int *line)
{
    const ptm_position *p = &r->position;
    int step = p->lineno - *line;
    if (p->lineno < 0) {
        put_head(15, r->units);
        return;
    }
    *line = p->lineno;
    bool one_line = p->end_lineno == p->lineno && p->colno >= 0;
    if (p->colno < 0 && p->end_lineno == p->lineno) {
        put_head(13, r->units);
        put_signed_varint(step);
    }
    else if (one_line && step == 0 && p->colno < 80 && p->end_colno - p->colno >= 0
             && p->end_colno - p->colno < 16) {
        put_head((unsigned)p->colno / 8, r->units);
        put_byte(((unsigned)p->colno & 7) << 4 | (unsigned)(p->end_colno - p->colno));
    }
    else if (one_line && step >= 0 && step < 3 && p->colno < 256 && p->end_colno < 256) {
        put_head(10 + (unsigned)step, r->units);
        put_byte((unsigned)p->colno);
        put_byte((unsigned)p->end_colno);
    }
    else {
        put_head(14, r->units);
        put_signed_varint(step);
        put_varint((uint32_t)(p->end_lineno - p->lineno));
        put_varint((uint32_t)(p->colno + 1));
        put_varint((uint32_t)(p->end_colno + 1));
    }
}

static row
some_row(int line)
{
    row r = {1 + (int)ptm_test_below(8), {-1, -1, -1, -1}};
    uint32_t kind = ptm_test_below(6);
    if (kind == 0) {
        return r;
    }
    int step = (int)ptm_test_below(4);
    if (kind == 1) {
        step = (int)ptm_test_below(100000) - 50000;
    }
    int lineno = line + step > 0 ? line + step : 1;
    r.position = (ptm_position){lineno, lineno, -1, -1};
    if (kind == 2) {
        return r;
    }
    r.position.colno = (int)ptm_test_below(kind == 3 ? 80 : 400);
    r.position.end_colno = r.position.colno + (int)ptm_test_below(kind == 3 ? 16 : 100000);
    if (kind == 4) {
        r.position.end_lineno += (int)ptm_test_below(5000);
    }
    return r;
}

static bool
same(ptm_position a, ptm_position b)
{
    return a.lineno == b.lineno && a.end_lineno == b.end_lineno && a.colno == b.colno
           && a.end_colno == b.end_colno;
}

static const ptm_position NOWHERE = {-1, -1, -1, -1};

static void
rows_read_back(void)
{
    for (int turn = 0; turn < 400; turn++) {
        row rows[MOST_ROWS];
        int n = (int)ptm_test_below(MOST_ROWS), first = 1 + (int)ptm_test_below(100000),
            line = first, unit = 0;
        len = 0;
        for (int i = 0; i < n; i++) {
            rows[i] = some_row(line);
            put_row(&rows[i], &line);
        }
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < rows[i].units; k++, unit++) {
                CHECK(same(ptm_linetable_find(table, len, first, unit * 2), rows[i].position));
            }
        }
        CHECK(same(ptm_linetable_find(table, len, first, unit * 2), NOWHERE));
    }
}

/* Whatever the bytes: an answer, and none from behind the end (the copy has none to spare: for the
 * sanitizers). */
static void
any_bytes_give_an_answer(void)
{
    for (int turn = 0; turn < 20000; turn++) {
        size_t n = ptm_test_below(40);
        uint8_t *bytes = malloc(n + 1);
        NEED(bytes != NULL);
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (uint8_t)(ptm_test_random() | (ptm_test_below(3) ? 0x80 : 0));
        }
        uint8_t *exact = malloc(n == 0 ? 1 : n);
        NEED(exact != NULL);
        memcpy(exact, bytes, n);
        (void)ptm_linetable_find(exact, n, 1, (int)ptm_test_below(300));
        free(exact);
        free(bytes);
    }
}

static void
a_table_cut_short_is_nowhere_or_right(void)
{
    int line = 7;
    row rows[3] = {{8, {7, 7, 3, 9}}, {2, {70007, 70010, 1000, 70000}}, {1, {70009, 70009, 4, 5}}};
    len = 0;
    for (int i = 0; i < 3; i++) {
        put_row(&rows[i], &line);
    }
    for (size_t cut = 0; cut <= len; cut++) {
        for (int unit = 0; unit < 11; unit++) {
            int i = unit < 8 ? 0 : unit < 10 ? 1 : 2;
            ptm_position found = ptm_linetable_find(table, cut, 7, unit * 2);
            CHECK(same(found, NOWHERE) || same(found, rows[i].position));
        }
    }
    CHECK(same(ptm_linetable_find(table, len, 7, 18), rows[1].position));
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    RUN(rows_read_back);
    RUN(any_bytes_give_an_answer);
    RUN(a_table_cut_short_is_nowhere_or_right);
    return ptm_test_done();
}
