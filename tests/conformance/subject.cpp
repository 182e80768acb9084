#include "subject.h"

#include <algorithm>
#include <cctype>
#include <ostream>

#include "platform.h"

namespace conformance {

ggml_backend_dev_props Subject::props() const {
    ggml_backend_dev_props props = {};
    if (!devices.empty()) {
        ggml_backend_dev_get_props(devices[0], &props);
    }
    return props;
}

bool is_simulated(ggml_backend_dev_t device) {
    return std::any_of(subjects().begin(), subjects().end(), [device](const Subject & subject) {
        return subject.simulated &&
               std::find(subject.devices.begin(), subject.devices.end(), device) != subject.devices.end();
    });
}

const std::vector<Subject> & subjects() {
    static const std::vector<Subject> all = find_subjects();
    return all;
}

std::string name_of(const Subject & subject) {
    std::string name = subject.name;
    std::replace_if(
        name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return name;
}

std::ostream & operator<<(std::ostream & out, const Subject & subject) {
    return out << subject.name;
}

} // namespace conformance
