/* SPDX-License-Identifier: MIT
 *
 * ptm_hooks - the trampolines on the three allocator domains; nothing else.
 *
 * How       Each keeps the allocator that was there and calls it with its own context, whatever
 *           context comes in: a thread that reads a half-written allocator struct is right with
 *           either half. `remove` takes out only what is still ours; where somebody wrapped us, the
 *           trampolines stay and pass everything through.
 * Threads   install and remove: one at a time (ptm_turn). The trampolines: anybody.
 * Failure   none: what the allocator below returns is what the caller gets
 * Cost      not tracing: one load more; tracing: ptm_record
 */
#ifndef PTM_HOOKS_H
#define PTM_HOOKS_H

void ptm_hooks_install(void);
void ptm_hooks_remove(void);

#endif
