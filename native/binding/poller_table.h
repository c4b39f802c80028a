// The pollers of one environment, by id.
//
// An id is a slot and the slot's generation in one positive 31-bit number, so
// that a stale one finds nothing:
//
//   bits 0..11   slot
//   bits 12..30  generation, from 1
//
// A slot that has been through all its generations is not used again, so no
// id ever comes back.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace {

class LoopPoller;

class PollerTable {
 public:
  // The new poller's id, or -EMFILE when the table is full.
  int32_t insert(LoopPoller* poller) {
    uint32_t index;
    if (!free_.empty()) {
      index = free_.back();
      free_.pop_back();
    } else if (slots_.size() < kSlotsMax) {
      index = static_cast<uint32_t>(slots_.size());
      slots_.push_back({nullptr, 1});
    } else {
      return -EMFILE;
    }
    slots_[index].poller = poller;
    count_++;
    return static_cast<int32_t>(slots_[index].generation << kSlotBits | index);
  }

  // Null for an id that is stale or never was one.
  LoopPoller* find(int32_t id) const {
    uint32_t bits = static_cast<uint32_t>(id);
    uint32_t index = bits & (kSlotsMax - 1);
    if (index >= slots_.size() || slots_[index].generation != bits >> kSlotBits) return nullptr;
    return slots_[index].poller;
  }

  // The poller under this id, which is stale from now on; null as in find().
  LoopPoller* remove(int32_t id) {
    LoopPoller* poller = find(id);
    if (poller != nullptr) free_slot(static_cast<uint32_t>(id) & (kSlotsMax - 1));
    return poller;
  }

  // Walking over the slots: the table may change under way.
  size_t slot_count() const { return slots_.size(); }
  LoopPoller* at(size_t index) const { return slots_[index].poller; }

  LoopPoller* remove_at(size_t index) {
    LoopPoller* poller = slots_[index].poller;
    if (poller != nullptr) free_slot(static_cast<uint32_t>(index));
    return poller;
  }

  int count() const { return count_; }

 private:
  static constexpr uint32_t kSlotBits = 12;
  static constexpr uint32_t kSlotsMax = 1u << kSlotBits;
  static constexpr uint32_t kGenerationsMax = 1u << (31 - kSlotBits);

  struct Slot {
    LoopPoller* poller;
    uint32_t generation;
  };

  void free_slot(uint32_t index) {
    slots_[index].poller = nullptr;
    count_--;
    if (++slots_[index].generation < kGenerationsMax) free_.push_back(index);
  }

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  int count_ = 0;
};

}  // namespace millrace
