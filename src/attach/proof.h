// Proof - shows that a layout is the one of a ggml, with functions of that ggml alone.
//
// Fields of tensors and graphs are compared with what ggml's functions say about tensors and graphs that they have made
// or changed. For structs of functions the proof passes an object of its own, in which every word is a function that
// notes its place. ggml's functions then show which word they call or return. Nothing is guessed: a layout of which one
// proved field is shifted is refused.
//
// The proof makes a small context and frees it. It touches no device. Any thread may call it, one at a time.

#pragma once

#include <string>

#include "bound_ggml.h"

namespace ggml_sched::attach {

// Returns "" if the layout is that of the ggml, whose functions must be bound. Otherwise returns the first difference.
std::string disprove(const BoundGgml & ggml, const Layout & layout);

} // namespace ggml_sched::attach
