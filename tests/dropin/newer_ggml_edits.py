"""Makes a ggml newer: adds functions of the scheduler to a copy of it.

The edits hang on short pieces of ggml's text, so that they fit many versions. A function that this ggml has is not added.
"""

import os
from pathlib import Path

from steps import Failed

HEADER, SOURCE = "include/ggml-backend.h", "src/ggml-backend.cpp"

# Each edit: file, anchor, place, text. "after" and "before" mean the line that has the anchor, "at" means its first letter.
# Without an anchor the text goes to the end of the file.
COPY_CALLBACK = (
    (HEADER, "ggml_backend_sched_set_eval_callback(", "after", """
    // Asked for a weight in host memory before it is copied to `dst`; true: the weight needs no copy any more.
    typedef bool (*ggml_backend_sched_copy_callback)(ggml_backend_t backend, const struct ggml_tensor * src,
                                                     struct ggml_tensor * dst, struct ggml_cgraph * graph, void * user_data);
    GGML_API void                 ggml_backend_sched_set_copy_callback(ggml_backend_sched_t sched,
                                                                       ggml_backend_sched_copy_callback callback,
                                                                       void * user_data);
"""),
    (SOURCE, "callback_eval;", "after", """
    ggml_backend_sched_copy_callback on_copy;
    void * on_copy_data;
"""),
    (SOURCE, "for (int input_id = 0;", "before", """
        const auto is_host_weight = [](const ggml_tensor * t) {
            return t->buffer && ggml_backend_buffer_get_usage(t->buffer) == GGML_BACKEND_BUFFER_USAGE_WEIGHTS &&
                   ggml_backend_buffer_is_host(t->buffer);
        };
        std::stable_partition(split->inputs, split->inputs + split->n_inputs,
                              [&](const ggml_tensor * t) { return !is_host_weight(t); });
"""),
    (SOURCE, "= split->graph.nodes[0];", "before", """
                if (sched->on_copy && is_host_weight(input) &&
                    sched->on_copy(split_backend, input, input_cpy, &split->graph, sched->on_copy_data)) {
                    continue;
                }
"""),
    # With a callback ggml's scheduler no longer copies used experts alone.
    (SOURCE, "split->graph.n_nodes > 0 &&", "at", "!sched->on_copy && "),
    (SOURCE, None, "end", """
void ggml_backend_sched_set_copy_callback(ggml_backend_sched_t sched, ggml_backend_sched_copy_callback callback,
                                          void * user_data) {
    sched->on_copy = callback;
    sched->on_copy_data = user_data;
}
"""),
)

REALLOC_CALLBACK = (
    (HEADER, "ggml_backend_sched_set_eval_callback(", "after", """
    // Called before the compute buffers are reserved anew for a graph.
    typedef void (*ggml_backend_sched_realloc_callback)(ggml_backend_sched_t sched, struct ggml_cgraph * graph,
                                                        bool backend_ids_changed, bool size_changed, void * user_data);
    GGML_API void                 ggml_backend_sched_set_realloc_callback(ggml_backend_sched_t sched,
                                                                          ggml_backend_sched_realloc_callback callback,
                                                                          void * user_data);
"""),
    (SOURCE, "callback_eval;", "after", """
    ggml_backend_sched_realloc_callback on_realloc;
    void * on_realloc_data;
"""),
    (SOURCE, "if (sched->debug_realloc > 0)", "before", """
        if (sched->on_realloc) {
            sched->on_realloc(sched, &sched->graph, backend_ids_changed,
                              sched->debug_graph_size != sched->debug_prev_graph_size, sched->on_realloc_data);
        }
"""),
    (SOURCE, None, "end", """
void ggml_backend_sched_set_realloc_callback(ggml_backend_sched_t sched, ggml_backend_sched_realloc_callback callback,
                                             void * user_data) {
    sched->on_realloc = callback;
    sched->on_realloc_data = user_data;
}
"""),
)

# Functions that no version of our scheduler knows, with parameters and results of several kinds
UNKNOWN = (
    (HEADER, "ggml_backend_sched_set_eval_callback(", "after", """
    struct ggml_backend_sched_report {
        int          priority;
        int          n_calls;
        const char * label;
    };

    // Returns the number of calls so far.
    GGML_API int                  ggml_backend_sched_set_priority(ggml_backend_sched_t sched, int priority);
    GGML_API bool                 ggml_backend_sched_set_progress_callback(
            ggml_backend_sched_t   sched,
            void                (* progress)(int n_done, int n_splits, void * user_data), // after each split
            void                 * user_data);
    GGML_API void ggml_backend_sched_set_label(ggml_backend_sched_t sched, const char * label);
    GGML_API const struct ggml_backend_sched_report * ggml_backend_sched_get_report(ggml_backend_sched_t sched);
"""),
    (SOURCE, "callback_eval;", "after", """
    void (*on_progress)(int, int, void *);
    void * on_progress_data;
    ggml_backend_sched_report report;
"""),
    (SOURCE, "prev_backend_id = split_backend_id;", "after", """
        if (sched->on_progress) {
            sched->on_progress(split_id + 1, sched->n_splits, sched->on_progress_data);
        }
"""),
    (SOURCE, None, "end", """
int ggml_backend_sched_set_priority(ggml_backend_sched_t sched, int priority) {
    sched->report.priority = priority;
    return ++sched->report.n_calls;
}

bool ggml_backend_sched_set_progress_callback(ggml_backend_sched_t sched, void (*progress)(int, int, void *),
                                              void * user_data) {
    sched->on_progress = progress;
    sched->on_progress_data = user_data;
    return progress != nullptr;
}

void ggml_backend_sched_set_label(ggml_backend_sched_t sched, const char * label) {
    sched->report.label = label;
}

const ggml_backend_sched_report * ggml_backend_sched_get_report(ggml_backend_sched_t sched) {
    return &sched->report;
}
"""),
)

EDITS = {"set_copy_callback": COPY_CALLBACK, "set_realloc_callback": REALLOC_CALLBACK, "set_priority": UNKNOWN}


def edit(text, file, anchor, place, addition):
    if anchor is None:
        return text + addition
    if text.count(anchor) != 1:
        raise Failed(f"{file} contains {text.count(anchor)} times what an edit looks for, not once:\n    {anchor}\n"
                     f"Look at how this ggml does it, and change the edits in {__file__}.")
    at = text.index(anchor)
    if place == "after":
        at = text.index("\n", at) + 1
    elif place == "before":
        at = text.rindex("\n", 0, at) + 1
    return text[:at] + addition + text[at:]


def newer_texts(ggml):
    """The changed files, by their names in ggml's directory."""
    texts = {name: (ggml / name).read_text(encoding="utf-8") for name in (HEADER, SOURCE)}
    missing = [function for function in EDITS if f"ggml_backend_sched_{function}(" not in texts[HEADER]]
    for function in missing:
        for file, *rest in EDITS[function]:
            texts[file] = edit(texts[file], file, *rest)
    return texts


def copy_newer(ggml, copy):
    """Makes `copy` a copy of ggml with the edits. What does not change is not written, so that little is compiled again."""
    texts = newer_texts(ggml)
    contents = {path.relative_to(ggml).as_posix(): path for path in ggml.rglob("*") if path.is_file()}
    contents.setdefault("ggml.pc.in", os.devnull)  # A ggml that is built alone wants it. Packages leave it out.
    for old in [path for path in copy.rglob("*") if path.is_file() and path.relative_to(copy).as_posix() not in contents]:
        old.unlink()
    for name, source in contents.items():
        data = texts[name].encode() if name in texts else Path(source).read_bytes()
        target = copy / name
        if not target.exists() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
