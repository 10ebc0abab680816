package bench

import "testing"

func TestMemoryEnds(t *testing.T) {
	all := make([]int64, 100)
	for i := range all {
		all[i] = int64(i) << 20
	}
	w := &memoryWatch{seen: map[string][]int64{"work": all, "young": {7 << 20}}}
	if early, late := w.ends("work"); early != 14.5 || late != 94.5 {
		t.Errorf("%v, %v", early, late)
	}
	if early, late := w.ends("young"); early != 0 || late != 7 {
		t.Errorf("%v, %v", early, late)
	}
	if early, late := w.ends("nobody"); early != 0 || late != 0 {
		t.Errorf("%v, %v", early, late)
	}
}
