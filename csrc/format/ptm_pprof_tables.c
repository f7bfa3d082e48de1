/* SPDX-License-Identifier: MIT
 *
 * Functions, mappings and locations of a profile, and the frames they make.
 */
#include "format/ptm_pprof_fields.h"
#include "format/ptm_pprof_in.h"
#include "format/ptm_format_text.h"

#include <stdio.h>
#include <string.h>

/* -- ids --------------------------------------------------------------------------------------- */

void
ptm_pprof_ids_fini(ptm_pprof_ids *ids)
{
    ptm_buf_fini(&ids->ids);
    ptm_ids_fini(&ids->by_id);
}

/* Most tools number from 1 on, which needs no table. */
uint32_t
ptm_pprof_sparse_index(const ptm_pprof_ids *ids, uint64_t id)
{
    const uint64_t *known = PTM_ITEMS(ids->ids, uint64_t);
    ptm_ids_probe probe = ptm_ids_find(&ids->by_id, ptm_mix64(id));
    while (ptm_ids_next(&ids->by_id, &probe)) {
        if (known[probe.id] == id) {
            return probe.id;
        }
    }
    return UINT32_MAX;
}

static bool
make_sparse(ptm_pprof_ids *ids)
{
    size_t n = PTM_N_ITEMS(ids->ids, uint64_t);
    if (!ptm_ids_init(&ids->by_id, n)) {
        return false;
    }
    ids->sparse = true;
    for (size_t i = 0; i < n; i++) {
        if (!ptm_ids_put(&ids->by_id, ptm_mix64(PTM_ITEMS(ids->ids, uint64_t)[i]), (uint32_t)i)) {
            return false;
        }
    }
    return true;
}

static bool
add_id(ptm_pprof_in *in, ptm_pprof_ids *ids, uint64_t id, const char *what, const uint8_t *at)
{
    size_t index = PTM_N_ITEMS(ids->ids, uint64_t);
    if (id == 0) {
        return ptm_pprof_refuse(in, at, "%s %zu has no id", what, index);
    }
    if (ptm_pprof_index(ids, id) != UINT32_MAX) {
        return ptm_pprof_refuse(in, at, "%s id %llu is there twice", what, (unsigned long long)id);
    }
    if (index >= UINT32_MAX - 1 || (!ids->sparse && id != index + 1 && !make_sparse(ids))) {
        return false;
    }
    if (ids->sparse && !ptm_ids_put(&ids->by_id, ptm_mix64(id), (uint32_t)index)) {
        return false;
    }
    ptm_buf_put(&ids->ids, &id, sizeof(id));
    return !ids->ids.failed;
}

/* -- functions and mappings, as they come ------------------------------------------------------ */

bool
ptm_pprof_note_function(ptm_pprof_in *in, const ptm_wire_field *field)
{
    ptm_wire message;
    ptm_wire_field part;
    ptm_pprof_function function = {0};
    uint64_t id = 0;
    if (!ptm_pprof_message(in, field, &message)) {
        return false;
    }
    while (ptm_wire_next(&message, &part)) {
        uint64_t *to = part.number == PTM_PPROF_FUNCTION_ID            ? &id
                       : part.number == PTM_PPROF_FUNCTION_NAME        ? &function.name
                       : part.number == PTM_PPROF_FUNCTION_SYSTEM_NAME ? &function.system_name
                       : part.number == PTM_PPROF_FUNCTION_FILE        ? &function.file
                                                                       : NULL;
        if (to != NULL && !ptm_pprof_number(in, &part, to)) {
            return false;
        }
    }
    if (!ptm_pprof_ended(in, &message)
        || !add_id(in, &in->function_ids, id, "function", field->at)) {
        return false;
    }
    ptm_buf_put(&in->functions, &function, sizeof(function));
    return true;
}

bool
ptm_pprof_note_mapping(ptm_pprof_in *in, const ptm_wire_field *field)
{
    ptm_wire message;
    ptm_wire_field part;
    uint64_t id = 0, file = 0;
    if (!ptm_pprof_message(in, field, &message)) {
        return false;
    }
    while (ptm_wire_next(&message, &part)) {
        uint64_t *to = part.number == PTM_PPROF_MAPPING_ID     ? &id
                       : part.number == PTM_PPROF_MAPPING_FILE ? &file
                                                               : NULL;
        if (to != NULL && !ptm_pprof_number(in, &part, to)) {
            return false;
        }
    }
    if (!ptm_pprof_ended(in, &message) || !add_id(in, &in->mapping_ids, id, "mapping", field->at)) {
        return false;
    }
    ptm_buf_put(&in->mappings, &file, sizeof(file));
    return true;
}

/* -- frames ------------------------------------------------------------------------------------ */

/* A string of the file as one of the snapshot. Each is looked at once, however often it is used. */
static bool
string_id(ptm_pprof_in *in, uint64_t index, const uint8_t *at, ptm_str_id *id)
{
    ptm_wire text;
    if (!ptm_pprof_text(in, index, at, &text)) {
        return false;
    }
    uint32_t *known = (uint32_t *)(void *)in->string_ids.data + index;
    if (*known == 0) {
        in->text.len = 0;
        (in->version != 0 ? ptm_format_unescape : ptm_format_clean)(
            (const char *)text.at, (size_t)(text.end - text.at), &in->text);
        if (in->text.failed) {
            return false;
        }
        *known = ptm_snap_build_string(in->builder, (const char *)in->text.data, in->text.len) + 1;
    }
    *id = *known - 1;
    return true;
}

static ptm_str_id
word_id(ptm_pprof_in *in, const char *word)
{
    return ptm_snap_build_string(in->builder, word, strlen(word));
}

ptm_frame_id
ptm_pprof_unknown_frame(ptm_pprof_in *in)
{
    ptm_snap_frame frame = {word_id(in, PTM_PPROF_UNKNOWN), PTM_SNAP_NONE, 0, -1, -1, -1, 0};
    return ptm_snap_build_frame(in->builder, &frame);
}

/* What other tools leave empty is unknown; we say what we mean (docs/design/file-format.md). */
static bool
name_frame(ptm_pprof_in *in, const ptm_pprof_function *function, const uint8_t *at,
           ptm_snap_frame *frame)
{
    ptm_wire name, system_name, file;
    if (!ptm_pprof_text(in, function->name, at, &name)
        || !ptm_pprof_text(in, function->system_name, at, &system_name)
        || !ptm_pprof_text(in, function->file, at, &file)
        || !string_id(in, function->file, at, &frame->file)) {
        return false;
    }
    bool named = name.at != name.end, system_named = system_name.at != system_name.end;
    if (in->version != 0) {
        return system_named || string_id(in, function->name, at, &frame->name);
    }
    if (file.at == file.end) {
        frame->file = word_id(in, PTM_PPROF_UNKNOWN);
    }
    if (named || system_named) {
        return string_id(in, named ? function->name : function->system_name, at, &frame->name);
    }
    return true;
}

static int32_t
within_int32(uint64_t number, int32_t otherwise)
{
    int64_t value = (int64_t)number;
    return value >= INT32_MIN && value <= INT32_MAX ? (int32_t)value : otherwise;
}

static bool
add_line(ptm_pprof_in *in, const ptm_wire_field *field, uint64_t address)
{
    ptm_wire message;
    ptm_wire_field part;
    uint64_t function = 0, line = 0, column = 0;
    ptm_snap_frame frame = {0, PTM_SNAP_NONE, 0, -1, -1, -1, 0};
    if (!ptm_pprof_message(in, field, &message)) {
        return false;
    }
    while (ptm_wire_next(&message, &part)) {
        uint64_t *to = part.number == PTM_PPROF_LINE_FUNCTION ? &function
                       : part.number == PTM_PPROF_LINE_LINE   ? &line
                       : part.number == PTM_PPROF_LINE_COLUMN ? &column
                                                              : NULL;
        if (to != NULL && !ptm_pprof_number(in, &part, to)) {
            return false;
        }
    }
    if (!ptm_pprof_ended(in, &message)) {
        return false;
    }
    uint32_t index = ptm_pprof_index(&in->function_ids, function);
    if (index == UINT32_MAX && function != 0) {
        return ptm_pprof_refuse(in, field->at, "function id %llu is not in the file",
                                (unsigned long long)function);
    }
    if (index == UINT32_MAX) {
        frame.file = word_id(in, PTM_PPROF_UNKNOWN);
    }
    else if (!name_frame(in, &PTM_ITEMS(in->functions, ptm_pprof_function)[index], field->at,
                         &frame)) {
        return false;
    }
    frame.lineno = within_int32(line, 0);
    frame.colno = within_int32(column - 1, -1);
    if (in->version != 0) {
        ptm_pprof_end(address, frame.lineno, &frame.end_lineno, &frame.end_colno);
    }
    ptm_frame_id id = ptm_snap_build_frame(in->builder, &frame);
    ptm_buf_put(&in->location_frames, &id, sizeof(id));
    return true;
}

/* Machine code without symbols: the file that was mapped there, and the address for a name. */
static bool
add_address(ptm_pprof_in *in, uint64_t mapping, uint64_t address, const uint8_t *at)
{
    ptm_snap_frame frame = {word_id(in, PTM_PPROF_UNKNOWN), PTM_SNAP_NONE, 0, -1, -1, -1, 0};
    uint32_t index = ptm_pprof_index(&in->mapping_ids, mapping);
    uint64_t file = index == UINT32_MAX ? 0 : PTM_ITEMS(in->mappings, uint64_t)[index];
    if (file != 0 && !string_id(in, file, at, &frame.file)) {
        return false;
    }
    if (address != 0) {
        char name[24];
        snprintf(name, sizeof(name), "0x%llx", (unsigned long long)address);
        frame.name = word_id(in, name);
    }
    ptm_frame_id id = ptm_snap_build_frame(in->builder, &frame);
    ptm_buf_put(&in->location_frames, &id, sizeof(id));
    return true;
}

/* The address is needed for the lines and may come after them, so the message is read twice. */
static bool
make_location(ptm_pprof_in *in, ptm_wire message)
{
    const uint8_t *start = message.at;
    ptm_wire again = message;
    ptm_wire_field part;
    uint64_t id = 0, mapping = 0, address = 0;
    while (ptm_wire_next(&message, &part)) {
        uint64_t *to = part.number == PTM_PPROF_LOCATION_ID        ? &id
                       : part.number == PTM_PPROF_LOCATION_MAPPING ? &mapping
                       : part.number == PTM_PPROF_LOCATION_ADDRESS ? &address
                                                                   : NULL;
        if (to != NULL && !ptm_pprof_number(in, &part, to)) {
            return false;
        }
    }
    if (!ptm_pprof_ended(in, &message) || !add_id(in, &in->location_ids, id, "location", start)) {
        return false;
    }
    ptm_pprof_location location = {.first =
                                       (uint32_t)PTM_N_ITEMS(in->location_frames, ptm_frame_id)};
    while (ptm_wire_next(&again, &part)) {
        if (part.number == PTM_PPROF_LOCATION_LINE && !add_line(in, &part, address)) {
            return false;
        }
    }
    if (location.first == PTM_N_ITEMS(in->location_frames, ptm_frame_id)
        && !add_address(in, mapping, address, start)) {
        return false;
    }
    location.n = (uint32_t)PTM_N_ITEMS(in->location_frames, ptm_frame_id) - location.first;
    ptm_buf_put(&in->locations, &location, sizeof(location));
    return !in->locations.failed && !in->location_frames.failed;
}

bool
ptm_pprof_make_frames(ptm_pprof_in *in)
{
    size_t n_strings = PTM_N_ITEMS(in->strings, ptm_wire),
           n = PTM_N_ITEMS(in->raw_locations, ptm_wire);
    if (n >= UINT32_MAX / 2 || in->len / 2 >= UINT32_MAX) {
        return ptm_pprof_refuse(in, in->data, "the file is too big");
    }
    if (!ptm_buf_reserve(&in->string_ids, n_strings * sizeof(uint32_t))) {
        return false;
    }
    memset(in->string_ids.data, 0, n_strings * sizeof(uint32_t));
    for (size_t i = 0; i < n; i++) {
        if (!make_location(in, PTM_ITEMS(in->raw_locations, ptm_wire)[i])) {
            return false;
        }
    }
    return true;
}
