// Path::kPanels of quant/cpu/job.h: blocks under rules that compare errors,
// gathered and scattered, kUnit of them side by side, long blocks in parts.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "quant/cpu/job.h"
#include "quant/cpu/prepared_block.h"
#include "quant/philox.h"

namespace cnn_fp4::quant::cpu {
namespace {

constexpr int64_t kLanes = kUnit;

// Elements of each block in a part: whole Hadamard groups.
constexpr int64_t kPartElements = kMaxPanelElements;

// The Philox block of the last index asked for: neighbours share one.
class PhiloxBlocks {
 public:
  explicit PhiloxBlocks(const Job& job) : job_(job) {}

  const PhiloxBlock& At(uint64_t index) {
    if (!filled_ || index != index_) {
      block_ = PhiloxAt(index, job_.key, job_.options.step);
      index_ = index;
      filled_ = true;
    }
    return block_;
  }
  uint8_t Byte(uint64_t i) {
    return static_cast<uint8_t>(At(i / 16).words[i / 4 % 4] >> (8 * (i % 4)));
  }
  uint32_t Word(uint64_t i) { return At(i / 4).words[i % 4]; }

 private:
  const Job& job_;
  bool filled_ = false;
  uint64_t index_ = 0;
  PhiloxBlock block_;
};

class Panel {
 public:
  Panel(const Job& job, int64_t first_block, int64_t count, Scratch& scratch)
      : job_(job), count_(count), scratch_(scratch) {
    for (int64_t j = 0; j < count; ++j) {
      blocks_[j] = job.grid.block(first_block + j);
      elements_ = std::max(elements_, blocks_[j].rows * blocks_[j].cols);
    }
    const int64_t part = std::min(elements_, kPartElements) * kLanes;
    scratch.x.resize(part);
    scratch.values.resize(part);
    scratch.codes.resize(part);
    if (job.params.rounding == Rounding::kStochastic8) {
      scratch.random_bytes.resize(part);
    } else if (IsStochastic(job.params.rounding)) {
      scratch.random_words.resize(part);
    }
  }

  int64_t elements() const { return elements_; }
  const float* x() const { return scratch_.x.data(); }
  RandomBits random() const { return random_; }

  // A block that is done otherwise: zeros.
  void LeaveOut(int64_t lane) { left_out_[lane] = true; }
  bool is_left_out(int64_t lane) const { return left_out_[lane]; }

  // Elements first .. first + n - 1 of each block, admitted and transformed.
  // Lanes without a block, and the missing elements of short ones, are zeros:
  // they add nothing to any error.
  void Load(int64_t first, int64_t n) {
    if (first == loaded_) return;
    loaded_ = first;
    float* x = scratch_.x.data();
    std::fill_n(x, n * kLanes, 0.0f);
    ForEachElement(first, n, [&](int64_t at_panel, int64_t at) {
      x[at_panel] = Admitted(job_, job_.element(at));
    });
    if (job_.recipe.hadamard) {
      for (int64_t e = 0; e < n; e += kHadamardSize) {
        HadamardRows(x + e * kLanes, kUnit, kUnit, job_.options.hadamard_signs,
                     x + e * kLanes, kUnit);
      }
      for (int64_t i = 0; i < n * kLanes; ++i) x[i] = Admitted(job_, x[i]);
    }
    LoadRandom(first, n);
  }

  // The first n elements of lanes that are left out become zeros.
  void Blank(int64_t n) {
    for (int64_t j = 0; j < kLanes; ++j) {
      if (!left_out_[j]) continue;
      for (int64_t e = 0; e < n; ++e) scratch_.x[e * kLanes + j] = 0.0f;
    }
  }

  // Values and codes of what was loaded, to the job's output.
  void Store(const PanelFactors& factors, int64_t first, int64_t n) {
    const KernelOutput& out = job_.output;
    float* values = out.values == nullptr ? nullptr : scratch_.values.data();
    uint8_t* codes = scratch_.codes.data();
    if (out.codes == nullptr && out.packed == nullptr) codes = nullptr;
    QuantizePanel(job_.params, factors, x(), n, random_, values, codes);
    ForEachElement(first, n, [&](int64_t from, int64_t at) {
      if (values != nullptr) out.values[at] = values[from];
      if (out.codes != nullptr) out.codes[at] = codes[from];
      // Direct packing implies blocks of whole bytes along memory.
      if (out.packed != nullptr && at % 2 == 1) {
        out.packed[at / 2] =
            static_cast<uint8_t>(codes[from - kLanes] | codes[from] << 4);
      }
    });
  }

 private:
  // Calls body(index in the panel, offset in the tensor) for elements first ..
  // first + n - 1, as far as the blocks have them, neighbours in memory one
  // after the other.
  template <class Body>
  void ForEachElement(int64_t first, int64_t n, const Body& body) const {
    const BlockGrid& grid = job_.grid;
    if (grid.inner() > 1 && grid.rows() == 1) {
      for (int64_t e = first; e < first + n; ++e) {
        for (int64_t j = 0; j < count_; ++j) {
          if (e >= blocks_[j].cols || left_out_[j]) continue;
          body((e - first) * kLanes + j, blocks_[j].offset + e * grid.inner());
        }
      }
      return;
    }
    for (int64_t j = 0; j < count_; ++j) {
      if (left_out_[j]) continue;
      const BlockGrid::Block& block = blocks_[j];
      const int64_t end = std::min(first + n, block.rows * block.cols);
      int64_t c = first % block.cols;
      int64_t row = block.offset + first / block.cols * grid.row_stride();
      for (int64_t e = first; e < end; ++e) {
        body((e - first) * kLanes + j, row + c * grid.col_stride());
        if (++c == block.cols) {
          c = 0;
          row += grid.row_stride();
        }
      }
    }
  }

  void LoadRandom(int64_t first, int64_t n) {
    const auto begin = static_cast<uint64_t>(job_.options.first_element);
    PhiloxBlocks philox(job_);
    if (job_.params.rounding == Rounding::kStochastic8) {
      uint8_t* bytes = scratch_.random_bytes.data();
      random_.bytes = bytes;
      ForEachElement(first, n, [&](int64_t to, int64_t at) {
        bytes[to] = philox.Byte(begin + at);
      });
    } else if (IsStochastic(job_.params.rounding)) {
      uint32_t* words = scratch_.random_words.data();
      random_.words = words;
      ForEachElement(first, n, [&](int64_t to, int64_t at) {
        words[to] = philox.Word(begin + at);
      });
    }
  }

  const Job& job_;
  const int64_t count_;
  Scratch& scratch_;
  BlockGrid::Block blocks_[kUnit];
  bool left_out_[kUnit] = {};
  int64_t elements_ = 0;
  int64_t loaded_ = -1;
  RandomBits random_;
};

// Calls body(first, n) for each part.
template <class Body>
void ForEachPart(const Panel& panel, const Body& body) {
  for (int64_t e = 0; e < panel.elements(); e += kPartElements) {
    body(e, std::min(kPartElements, panel.elements() - e));
  }
}

// Up to kUnit blocks.
void RunPanel(const Job& job, int64_t first_block, int64_t count,
              Scratch& scratch) {
  Panel panel(job, first_block, count, scratch);
  uint32_t amax_bits[kUnit] = {};
  ForEachPart(panel, [&](int64_t first, int64_t n) {
    panel.Load(first, n);
    uint32_t bits[kUnit];
    ColumnAmaxBits(panel.x(), n, kUnit, kUnit, bits);
    for (int64_t j = 0; j < kLanes; ++j) {
      amax_bits[j] = std::max(amax_bits[j], bits[j]);
    }
  });
  for (int64_t j = 0; j < count; ++j) {
    if (amax_bits[j] < 0x7F800000u) continue;
    panel.LeaveOut(j);
    amax_bits[j] = 0;
  }
  scratch.errors.assign(Candidates(job.params.rule) * kUnit, 0.0f);
  ForEachPart(panel, [&](int64_t first, int64_t n) {
    panel.Load(first, n);
    panel.Blank(n);
    AddErrors(job.params, amax_bits, panel.x(), n, panel.random(),
              scratch.errors.data());
  });
  const PanelFactors factors =
      ChooseScales(job.params, amax_bits, scratch.errors.data());
  const KernelOutput& out = job.output;
  for (int64_t j = 0; j < count; ++j) {
    if (panel.is_left_out(j)) continue;
    if (out.scale_codes != nullptr) {
      out.scale_codes[first_block + j] = factors.code[j];
    }
    if (out.stored_scales != nullptr) {
      out.stored_scales[first_block + j] = factors.stored[j];
    }
  }
  ForEachPart(panel, [&](int64_t first, int64_t n) {
    panel.Load(first, n);
    panel.Blank(n);
    panel.Store(factors, first, n);
  });
  for (int64_t j = 0; j < count; ++j) {
    if (panel.is_left_out(j)) QuantizeSlowly(job, first_block + j, 1, scratch);
  }
}

}  // namespace

void QuantizeInPanels(const Job& job, int64_t first_block, int64_t count,
                      Scratch& scratch) {
  for (; count > 0; first_block += kLanes, count -= kLanes) {
    RunPanel(job, first_block, std::min(kLanes, count), scratch);
  }
}

}  // namespace cnn_fp4::quant::cpu
