#include "timeline.h"

#include "timeline_page.h"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace sched_run {
namespace {

constexpr int kMaxEvents = 200000; // that a browser still draws without delay

struct CutTrace {
    std::string text;
    bool cut = false;
};

// The library writes one event per line, so that a trace can be cut between lines.
engine::Result<CutTrace> read_trace(const std::string & path) {
    std::ifstream file(std::filesystem::u8path(path), std::ios::binary);
    CutTrace trace;
    int n_lines = 0;
    for (std::string line; std::getline(file, line) && !trace.cut; n_lines++) {
        trace.cut = n_lines >= kMaxEvents;
        if (!trace.cut) {
            trace.text += line + "\n";
        }
    }
    if (n_lines == 0) {
        return engine::failure("cannot read the trace " + path);
    }
    if (trace.cut) {
        trace.text.erase(trace.text.find_last_not_of(",\n") + 1);
        trace.text += "\n]}\n";
    }
    return trace;
}

// In HTML's text and, inside of JSON, in its script elements
std::string escape_html(const std::string & text) {
    std::string result;
    for (const char c : text) {
        switch (c) {
        case '<': result += "&lt;"; break;
        case '>': result += "&gt;"; break;
        case '&': result += "&amp;"; break;
        case '"': result += "&quot;"; break;
        default: result += c; break;
        }
    }
    return result;
}

std::string about_json(const std::string & about, bool cut) {
    const nlohmann::ordered_json json = {{"text", about}, {"cut", cut}};
    std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    for (size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at)) {
        text.replace(at, 1, "\\u003c");
    }
    return text;
}

std::string timeline_script() {
    std::string text;
    for (const char * part : kTimelineScripts) {
        text += std::string(part) + "\n";
    }
    return text;
}

// Writes the template with its {{names}} replaced by what `value_of` gives.
template <typename ValueOf> void write_page(std::ostream & out, const std::string & page, const ValueOf & value_of) {
    size_t done = 0;
    for (size_t begin = page.find("{{"); begin != std::string::npos; begin = page.find("{{", done)) {
        const size_t end = page.find("}}", begin);
        out << page.substr(done, begin - done) << value_of(page.substr(begin + 2, end - begin - 2));
        done = end + 2;
    }
    out << page.substr(done);
}

} // namespace

engine::Status write_timeline(const std::string & page_path, const std::string & trace_path, const std::string & title,
                              const std::string & about) {
    engine::Result<CutTrace> trace = read_trace(trace_path);
    if (!trace.ok()) {
        return trace.status();
    }
    std::ofstream out(std::filesystem::u8path(page_path), std::ios::binary | std::ios::trunc);
    write_page(out, kTimelineHtml, [&](const std::string & name) -> std::string {
        return name == "title"    ? escape_html(title)
               : name == "style"  ? kTimelineStyle
               : name == "script" ? timeline_script()
               : name == "about"  ? about_json(about, trace.value().cut)
                                  : trace.value().text;
    });
    out.close();
    return out ? engine::Status() : engine::failure("cannot write " + page_path + ": " + std::strerror(errno));
}

} // namespace sched_run
