#include "host/registered_buffers.h"

#include <atomic>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "host/internals.h"
#include "host/log.h"
#include "host/owned_buffers.h"
#include "host/proc.h"
#include "host/tuning.h"

namespace ggml_sched::host {

namespace {

using RegisterHost = bool (*)(void * memory, size_t size);
using UnregisterHost = void (*)(void * memory);

// Registration - a buffer that was tried
struct Registration {
    FreeBuffer free = nullptr;                      // the buffer's own function; may be NULL
    ggml_backend_buffer_type_t pinned_as = nullptr; // NULL: the buffer is not registered
    UnregisterHost unregister = nullptr;
    void * memory = nullptr;
    size_t bytes = 0; // that are registered
};

// Registrations - all buffers that were tried and have not been freed.
struct Registrations {
    std::mutex mutex;
    std::unordered_map<ggml_backend_buffer_t, Registration> of_buffer;
    std::atomic<size_t> n_buffers = 0;      // lets others see without the mutex that there are none
    std::atomic<uint64_t> n_registered = 0; // so far
    size_t bytes = 0;                       // of all registered buffers
};

// Returns the only object. It is never destroyed, since buffers may be freed while the process ends.
Registrations & registrations() {
    static auto * const all = new Registrations;
    return *all;
}

// Frees a buffer that was tried.
void free_tried(ggml_backend_buffer_t buffer) {
    Registrations & all = registrations();
    Registration registration;
    {
        const std::lock_guard<std::mutex> lock(all.mutex);
        const auto found = all.of_buffer.find(buffer);
        if (found == all.of_buffer.end()) {
            return; // Somebody has copied the functions of a buffer that was tried.
        }
        registration = found->second;
        all.of_buffer.erase(found);
        all.bytes -= registration.bytes;
        all.n_buffers--;
    }
    if (registration.pinned_as) {
        registration.unregister(registration.memory);
    }
    if (registration.free) {
        registration.free(buffer);
    }
}

// True if the buffer is pageable memory that no scheduler has made.
bool is_of_caller(ggml_backend_buffer_t buffer) {
    const ggml_backend_dev_t device = ggml_backend_buft_get_device(ggml_backend_buffer_get_type(buffer));
    const bool is_of_cpu = !device || ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU;
    return is_of_cpu && ggml_backend_buffer_is_host(buffer) && !owner_of(buffer);
}

// Outcome - how the first try with a buffer ended
enum class Outcome { KnownBefore, Registered, TooMuch, Refused };

// Adds the buffer to the list, and registers its memory if that has room.
Outcome add(ggml_backend_buffer_t buffer, RegisterHost register_host, UnregisterHost unregister,
            ggml_backend_buffer_type_t pinned, size_t most_bytes) {
    Registrations & all = registrations();
    const size_t size = ggml_backend_buffer_get_size(buffer);
    void * const memory = ggml_backend_buffer_get_base(buffer);
    bool has_room = false;
    {
        const std::lock_guard<std::mutex> lock(all.mutex);
        const auto [entry, is_new] = all.of_buffer.try_emplace(buffer);
        if (!is_new) {
            return Outcome::KnownBefore;
        }
        has_room = size <= most_bytes && all.bytes <= most_bytes - size;
        entry->second.memory = memory;
        entry->second.bytes = has_room ? size : 0;
        all.bytes += entry->second.bytes;
    }
    // Without the lock, since a driver may log, and a log callback may use buffers.
    const bool is_registered = has_room && register_host(memory, size);
    const std::lock_guard<std::mutex> lock(all.mutex);
    Registration & registration = all.of_buffer.find(buffer)->second;
    if (is_registered) {
        registration.pinned_as = pinned;
        registration.unregister = unregister;
        all.n_registered++;
    } else {
        all.bytes -= std::exchange(registration.bytes, 0);
    }
    registration.free = exchange_free(buffer, free_tried);
    all.n_buffers++;
    return is_registered ? Outcome::Registered : has_room ? Outcome::Refused : Outcome::TooMuch;
}

// Returns the end of the line that tells the outcome.
const char * text_of(Outcome outcome) {
    switch (outcome) {
    case Outcome::Registered: return "is pinned";
    case Outcome::TooMuch: return "stays pageable: too much of the machine's memory would be pinned";
    default:
        return "stays pageable: the driver has not registered it. With ggml's CUDA backend, set "
               "GGML_CUDA_REGISTER_HOST=1";
    }
}

} // namespace

bool register_buffer(ggml_backend_buffer_t buffer, const Backend & backend, const Backend & cpu, size_t least_bytes) {
    if (ggml_backend_buffer_get_size(buffer) < least_bytes || !is_of_caller(buffer)) {
        return false;
    }
    const auto register_host = proc<RegisterHost>(backend.device, "ggml_backend_register_host_buffer");
    const auto unregister = proc<UnregisterHost>(backend.device, "ggml_backend_unregister_host_buffer");
    const ggml_backend_buffer_type_t pinned = ggml_backend_dev_host_buffer_type(backend.device);
    if (!register_host || !unregister || !pinned) {
        return false;
    }
    const size_t share = is_weights(buffer) ? Tuning::kShareOfHostForWeights : Tuning::kShareOfHost;
    const Outcome outcome = add(buffer, register_host, unregister, pinned, total_memory(cpu) / share);
    if (outcome != Outcome::KnownBefore) {
        const size_t mib = (ggml_backend_buffer_get_size(buffer) + (size_t{1} << 20) - 1) >> 20;
        log_info("host memory of " + std::to_string(mib) + " MiB that " + backend.name + " reads in each run " +
                 text_of(outcome));
    }
    return outcome == Outcome::Registered;
}

uint64_t n_registered() {
    return registrations().n_registered;
}

ggml_backend_buffer_type_t registered_as(ggml_backend_buffer_t buffer) {
    Registrations & all = registrations();
    if (all.n_buffers == 0) {
        return nullptr;
    }
    const std::lock_guard<std::mutex> lock(all.mutex);
    const auto found = all.of_buffer.find(buffer);
    return found == all.of_buffer.end() ? nullptr : found->second.pinned_as;
}

} // namespace ggml_sched::host
