#include "telemetry/record.h"

namespace cnn_fp4::telemetry {
namespace {

size_t Bytes(const std::string& text) { return text.size(); }

struct PayloadBytes {
  size_t operator()(const Scalars& scalars) const {
    size_t sum = scalars.values.size() * sizeof(NamedNumber);
    for (const auto& [key, value] : scalars.values) sum += Bytes(key);
    return sum;
  }
  size_t operator()(const LayerStats& stats) const {
    return Bytes(stats.layer) + Bytes(stats.recipe) +
           stats.values.size() * sizeof(stats.values[0]);
  }
  size_t operator()(const LayerHistogram& histogram) const {
    return Bytes(histogram.layer) +
           histogram.counts.size() * sizeof(histogram.counts[0]);
  }
  size_t operator()(const WeightSample& sample) const {
    return Bytes(sample.layer) +
           sample.values.size() * (2 * sizeof(float) + sizeof(uint8_t));
  }
  size_t operator()(const Text& text) const {
    return Bytes(text.tag) + Bytes(text.text);
  }
  size_t operator()(const Config& config) const { return Bytes(config.json); }
  size_t operator()(const TableRecord& named) const {
    size_t sum = Bytes(named.name);
    for (const std::string& column : named.table.columns()) {
      sum += sizeof(column) + Bytes(column);
    }
    for (const std::vector<base::Cell>& row : named.table.rows()) {
      for (const base::Cell& cell : row) {
        sum += sizeof(cell) + Bytes(cell.text());
      }
    }
    return sum;
  }
  size_t operator()(const Image& image) const {
    return Bytes(image.key) + Bytes(image.file) + Bytes(image.caption);
  }
  size_t operator()(const Html& html) const {
    return Bytes(html.key) + Bytes(html.file);
  }
  size_t operator()(const Figure& figure) const {
    return Bytes(figure.key) + Bytes(figure.file);
  }
  size_t operator()(const Artifact& artifact) const {
    return Bytes(artifact.name) + Bytes(artifact.kind) + Bytes(artifact.file);
  }
  size_t operator()(const SystemStats& system) const {
    return system.gpus.size() * sizeof(GpuStats);
  }
  size_t operator()(const ArmMeasured&) const { return 0; }
  size_t operator()(const ArmEnd&) const { return 0; }
  size_t operator()(const Gap&) const { return 0; }
  size_t operator()(const Exit&) const { return 0; }
};

}  // namespace

size_t Bytes(const Record& record) {
  return sizeof(Record) + Bytes(record.model) +
         std::visit(PayloadBytes(), record.payload);
}

}  // namespace cnn_fp4::telemetry
