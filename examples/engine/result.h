// result.h - a value or the text of an error. Nothing in the engine throws across these or ends the process.

#pragma once

#include <string>
#include <utility>
#include <variant>

namespace engine {

struct [[nodiscard]] Status {
    std::string error; // empty: success

    bool ok() const { return error.empty(); }
};

inline Status failure(std::string error) {
    return Status{std::move(error)};
}

template <typename T> class [[nodiscard]] Result {
  public:
    Result(T value)
        : content_(std::move(value)) {}
    Result(Status failed)
        : content_(std::move(failed)) {}

    bool ok() const { return std::holds_alternative<T>(content_); }
    T & value() { return std::get<T>(content_); }
    const T & value() const { return std::get<T>(content_); }
    Status status() const { return ok() ? Status{} : std::get<Status>(content_); }
    const std::string & error() const { return std::get<Status>(content_).error; }

  private:
    std::variant<T, Status> content_;
};

} // namespace engine
