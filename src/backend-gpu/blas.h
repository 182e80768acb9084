// blas.h - the one matrix product that a vendor's BLAS is used for, and the handle that multiplies.
//
// A vendor's library is loaded when a product first wants it: a program that multiplies nothing large does not pay for
// it. Threading: a handle belongs to one thread at a time.

#pragma once

#include "shared_library.h"

#include <cstddef>

namespace ggml_sched::gpu {

enum class BlasType { F32, F16, BF16 };

// c = transpose(a) * b, column-major: a is k x m, b is k x n, c (F32) is m x n; each without gaps. Sums are F32.
struct BlasProduct {
    const void * a;
    const void * b;
    float * c;
    BlasType type; // of a and b
    int m;
    int n;
    int k;
};

// Finds a function of an open library. False if there is none.
template <class F> bool find_function(void * library, const char * name, F & function) {
    function = reinterpret_cast<F>(core::find_in_library(library, name));
    return function != nullptr;
}

// `Library` holds a vendor's functions, and all are NULL where load() did not find each of them.
template <class Library, class Stream> class BlasHandle {
  public:
    // Returns false where the library does not exist or cannot be used.
    bool open(Stream stream, void * workspace, size_t workspace_size) {
        const Library & library = loaded();
        if (library.create == nullptr || library.create(&handle_) != Library::kSuccess) {
            handle_ = nullptr;
            return false;
        }
        if (library.prepare(handle_, stream, workspace, workspace_size)) {
            return true;
        }
        close();
        return false;
    }
    void close() {
        if (handle_ != nullptr) {
            const Library & library = loaded();
            if (library.destroy != nullptr) {
                (void) library.destroy(handle_);
            }
            handle_ = nullptr;
        }
    }
    // Enqueues the product. Returns false on failure, and why in `text`.
    bool multiply(const BlasProduct & product, const char ** text) const {
        const bool done = loaded().multiply(handle_, product) == Library::kSuccess;
        *text = done ? "" : Library::kFailure;
        return done;
    }

  private:
    static const Library & loaded() {
        static const Library library = Library::load();
        return library;
    }

    typename Library::Handle handle_ = nullptr;
};

} // namespace ggml_sched::gpu
