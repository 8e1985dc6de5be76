#ifndef EXPERIMENTS_CPU_NAME_H_
#define EXPERIMENTS_CPU_NAME_H_

// Which CPU this is, for records of trainings. The model's name alone does not
// tell: virtual machines call several generations "AMD EPYC". Libraries choose
// their kernels, and with them the order of their sums, by vendor, family,
// model and instruction set, so that trainings are the same bit for bit only
// where all of these are.

#include <istream>
#include <string>

namespace cnn_fp4::experiments {

// "AMD EPYC (family 25, model 1, AVX2)" from the first processor that a text in
// the form of Linux's /proc/cpuinfo describes; what the text does not say is
// left out. The instruction set is the widest of AVX-512 (its foundation),
// AVX2 and AVX. "unknown" for a text without a model's name.
std::string CpuName(std::istream& cpuinfo);

// CpuName of this machine's /proc/cpuinfo.
std::string CpuName();

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_CPU_NAME_H_
