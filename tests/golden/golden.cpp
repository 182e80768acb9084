#include "golden.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

namespace ggml_sched::test {

namespace {

std::vector<std::string> lines_of(const std::string & text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

} // namespace

// By the longest common subsequence of the lines
std::string difference_of(const std::string & expected, const std::string & actual) {
    if (expected == actual) {
        return "";
    }
    const std::vector<std::string> a = lines_of(expected);
    const std::vector<std::string> b = lines_of(actual);
    std::vector<std::vector<size_t>> common(a.size() + 1, std::vector<size_t>(b.size() + 1, 0));
    for (size_t i = a.size(); i-- > 0;) {
        for (size_t j = b.size(); j-- > 0;) {
            common[i][j] = a[i] == b[j] ? common[i + 1][j + 1] + 1 : std::max(common[i + 1][j], common[i][j + 1]);
        }
    }
    std::string text;
    size_t i = 0;
    size_t j = 0;
    while (i < a.size() || j < b.size()) {
        if (i < a.size() && j < b.size() && a[i] == b[j]) {
            text += "  " + a[i++] + "\n";
            j++;
        } else if (j == b.size() || (i < a.size() && common[i + 1][j] >= common[i][j + 1])) {
            text += "- " + a[i++] + "\n";
        } else {
            text += "+ " + b[j++] + "\n";
        }
    }
    return text;
}

std::string compare_with_golden(const std::string & name, const std::string & text) {
    const std::string path = std::string(GGML_SCHED_GOLDEN_DIR) + "/" + name + ".txt";
    const char * update = std::getenv("GGML_SCHED_UPDATE_GOLDEN");
    if (update && std::string(update) == "1") {
        std::ofstream file(path);
        file << text;
        return file.flush() ? "" : "cannot write " + path;
    }
    std::ifstream file(path);
    if (!file) {
        return "there is no " + path + "; write it with GGML_SCHED_UPDATE_GOLDEN=1 and read it before committing it";
    }
    std::stringstream expected;
    expected << file.rdbuf();
    const std::string difference = difference_of(expected.str(), text);
    return difference.empty() ? "" : path + " differs (- the file, + now):\n" + difference;
}

} // namespace ggml_sched::test
