package bench

import "testing"

func TestGroupSizes(t *testing.T) {
	all := map[string]tally{"task": {1, 1}}
	addGroups(all, []byte(`# TYPE switchboard_group_size histogram
switchboard_group_size_bucket{border="ledger",le="1"} 3
switchboard_group_size_sum{border="ledger"} 12
switchboard_group_size_count{border="ledger"} 4
switchboard_group_size_sum{border="task"} 9
switchboard_group_size_count{border="task"} 2
switchboard_group_size_sum{border="broken"} x
`))
	if all["ledger"] != (tally{12, 4}) || all["task"] != (tally{10, 3}) || len(all) != 2 {
		t.Errorf("%v", all)
	}
}
