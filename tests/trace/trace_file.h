// TraceFile - a trace as a viewer reads it, and what holds for every trace.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace ggml_sched::test {

using Json = nlohmann::json;

struct Slice {
    int lane;
    std::string name;
    std::string category;
    int64_t start_ns;
    int64_t finish_ns;
    Json args;

    int64_t length_ns() const { return finish_ns - start_ns; }
};

struct FlowEnd {
    int slice = -1; // index into slices: the one that it follows in the file
    int lane = -1;
    int64_t ns = 0;
    std::string category;
    Json args;
};

struct Flow {
    std::vector<FlowEnd> starts;
    std::vector<FlowEnd> finishes;
};

class TraceFile {
  public:
    // Fails the test if the file is not a trace.
    explicit TraceFile(const std::string & path);

    const Json & header() const { return header_; }
    const std::vector<std::string> & lanes() const { return lanes_; }
    const std::vector<Slice> & slices() const { return slices_; }
    const std::map<int64_t, Flow> & flows() const { return flows_; }
    const std::string & text() const { return text_; }

    std::vector<Slice> of_category(const std::string & category) const;
    int count_flows(const std::string & category) const;

    // Slices of a lane do not overlap; each arrow has one begin and one end, on a slice each; each wait has one arrow.
    void expect_sound() const;

  private:
    void read(const Json & event);
    void expect_flow_sound(const Flow & flow) const;

    std::string text_;
    Json header_;
    std::vector<std::string> lanes_;
    std::vector<Slice> slices_;
    std::map<int64_t, Flow> flows_;
};

// A path of this test's own. What lies there is removed with the object.
class TempFile {
  public:
    explicit TempFile(const std::string & name);
    ~TempFile();
    TempFile(const TempFile &) = delete;
    TempFile & operator=(const TempFile &) = delete;

    const std::string & path() const { return path_; }
    const char * c_str() const { return path_.c_str(); }

  private:
    std::string path_;
};

} // namespace ggml_sched::test
