// Functions of a scheduler that a later ggml may declare. forwarders_test.py adds this text to ggml-backend.h.

#define GGML_DEPRECATED(func, hint) func __attribute__((deprecated(hint)))

struct ggml_backend_sched_report {
    int calls;
    int priority;
};

typedef void (*ggml_backend_sched_progress)(int percent, void * user_data);

// GGML_API void ggml_backend_sched_of_a_comment(ggml_backend_sched_t sched);
/* GGML_API void ggml_backend_sched_of_a_block(ggml_backend_sched_t sched, ...); // " */

GGML_API int ggml_backend_sched_set_priority(ggml_backend_sched_t sched, // not NULL; it's "the" scheduler
                                             int priority /* 0, 1, ... */, const float weights[2]);
GGML_DEPRECATED(GGML_API void ggml_backend_sched_set_label(ggml_backend_sched_t, const char * label),
                "use ggml_backend_sched_set_priority(...); // see https://example.org");
GGML_API struct ggml_backend_sched_report ggml_backend_sched_get_report(const struct ggml_backend_sched * sched);
GGML_API const char * ggml_backend_sched_get_label(struct ggml_backend_sched * sched);
GGML_API bool ggml_backend_sched_watch(ggml_backend_sched_t sched, void (*watch)(int percent, void * user_data),
                                       ggml_backend_sched_progress, void * user_data);
GGML_API size_t ggml_backend_sched_share(ggml_backend_sched_t first, ggml_backend_sched_t second);
GGML_API ggml_backend_sched_t ggml_backend_sched_first_of(ggml_backend_sched_t first, ggml_backend_sched_t second);
GGML_API ggml_backend_sched_t ggml_backend_sched_new_ext(ggml_backend_t * backends, int n_backends);
void ggml_backend_sched_set_default_priority(unsigned);
GGML_API long long ggml_backend_sched_get_default_priority(void);

static inline bool ggml_backend_sched_is_urgent(ggml_backend_sched_t sched) {
    if (!sched) {
        return false;
    }
    return ggml_backend_sched_get_report(sched).priority > 1;
}
