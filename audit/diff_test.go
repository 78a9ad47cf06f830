package audit_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
)

// rows are the changes of a diff, one text each.
func rows(t *testing.T, changes []audit.Change) []string {
	t.Helper()
	all := []string{}
	for _, c := range changes {
		row := fmt.Sprintf("%s %s", c.Op, c.Path)
		if c.Before != nil {
			require.True(t, json.Valid(c.Before), "%s", c.Before)
			row += " -" + string(c.Before)
		}
		if c.After != nil {
			require.True(t, json.Valid(c.After), "%s", c.After)
			row += " +" + string(c.After)
		}
		all = append(all, row)
	}
	return all
}

func TestDiff(t *testing.T) {
	type step struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	for _, c := range []struct {
		name          string
		before, after any
		want          []string
	}{
		{"nothing", nil, nil, nil},
		{"equal", map[string]any{"a": 1}, map[string]any{"a": 1.0}, nil},
		{"created", nil, map[string]any{"a": 1}, []string{`add  +{"a":1}`}},
		{"deleted", map[string]any{"a": 1}, nil, []string{`remove  -{"a":1}`}},
		{"a value", map[string]any{"a": 1, "b": "x"}, map[string]any{"a": 2, "b": "x"}, []string{`replace /a -1 +2`}},
		{"null is a value", map[string]any{"a": nil}, map[string]any{}, []string{`remove /a -null`}},
		{"null and absent", map[string]any{}, map[string]any{"a": nil}, []string{`add /a +null`}},
		{"another type", map[string]any{"a": []int{1}}, map[string]any{"a": "1"}, []string{`replace /a -[1] +"1"`}},
		{"long numbers", json.RawMessage(`{"n":9007199254740993}`), json.RawMessage(`{"n":9007199254740992}`),
			[]string{`replace /n -9007199254740993 +9007199254740992`}},
		{"escaped keys", map[string]any{"a/b~c": 1}, map[string]any{"a/b~c": 2}, []string{`replace /a~1b~0c -1 +2`}},
		{"list, insert", []int{1, 2, 3, 4}, []int{1, 9, 2, 3, 4}, []string{`add /1 +9`}},
		{"list, two inserts", []int{1, 2, 3, 4}, []int{9, 1, 2, 8, 3, 4}, []string{`add /0 +9`, `add /3 +8`}},
		{"list, remove and change", []int{1, 2, 3, 4}, []int{1, 3, 5}, []string{`remove /1 -2`, `replace /2 -4 +5`}},
		{"list, reversed", []string{"a", "b"}, []string{"b", "a"}, []string{`remove /0 -"a"`, `add /1 +"a"`}},
		{"ids, a field", []step{{"a", "x"}, {"b", "y"}}, []step{{"a", "x"}, {"b", "z"}}, []string{`replace /[b]/name -"y" +"z"`}},
		{"ids, reordered", []step{{"a", "x"}, {"b", "y"}}, []step{{"b", "y"}, {"a", "x"}}, []string{`reorder /[order] -["a","b"] +["b","a"]`}},
		{"ids, added in front", []step{{"a", "x"}}, []step{{"b", "y"}, {"a", "x"}}, []string{`add /[b] +{"id":"b","name":"y"}`}},
		{"ids, removed", []step{{"a", "x"}, {"b", "y"}}, []step{{"b", "y"}}, []string{`remove /[a] -{"id":"a","name":"x"}`}},
		{"ids that repeat", []step{{"a", "x"}, {"a", "y"}}, []step{{"a", "x"}, {"a", "z"}}, []string{`replace /1/name -"y" +"z"`}},
		{"secrets", map[string]any{"user": "u", "password": "a", "db": map[string]any{"api_key": []int{1}}},
			map[string]any{"user": "v", "password": "b", "db": map[string]any{"api_key": []int{2}}},
			[]string{`replace /db/api_key/0 -"***" +"***"`, `replace /password -"***" +"***"`, `replace /user -"u" +"v"`}},
		{"ids below a secret key", map[string]any{"token": []step{{"a", "x"}, {"b", "y"}}}, map[string]any{"token": []step{{"a", "x"}, {"b", "z"}}},
			[]string{`replace /token/[***]/name -"***" +"***"`}},
		{"secrets below", nil, map[string]any{"conn": map[string]any{"token": 5}}, []string{`add  +{"conn":{"token":"***"}}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			changes, err := audit.Diff(c.before, c.after)
			require.NoError(t, err)
			require.ElementsMatch(t, c.want, rows(t, changes))
		})
	}
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("no") }

func TestDiffErrors(t *testing.T) {
	_, err := audit.Diff(panics{}, 1)
	require.Error(t, err)
	_, err = audit.Diff(1, func() {})
	require.Error(t, err)
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	_, err = audit.Diff(json.RawMessage(deep), json.RawMessage("[]"))
	require.NoError(t, err)
	_, err = audit.Diff(json.RawMessage(`"`+strings.Repeat("x", 9<<20)+`"`), 1)
	require.Error(t, err)
	for _, text := range []string{"", " ", "{", "1 2", "1]", `{"a":1}x`, "[1,]"} {
		_, err = audit.Diff(json.RawMessage(text), 1)
		require.Error(t, err, text)
	}
	changes, err := audit.Diff(json.RawMessage(nil), json.RawMessage(" null\n"))
	require.NoError(t, err)
	require.Empty(t, changes, "a RawMessage that is nil is JSON's null")

	dir := t.TempDir()
	r := open(t, dir, nil)
	_, err = r.Record(t.Context(), audit.Entry{Event: audit.FlowUpdated, Before: panics{}, After: 1})
	require.NoError(t, err, "the act is recorded all the same")
	require.Contains(t, records(t, dir)[1].DiffError, "panicked")
}

func TestDiffIsBounded(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, &audit.Options{MaxChanges: 5})
	before, after := map[string]int{}, map[string]int{}
	for i := range 12 {
		before[fmt.Sprint(i)], after[fmt.Sprint(i)] = i, i+1
	}
	_, err := r.Record(t.Context(), audit.Entry{Event: audit.FlowUpdated, Before: before, After: after})
	require.NoError(t, err)
	last := records(t, dir)[1]
	require.Len(t, last.Changes, 5)
	require.Equal(t, 7, last.MoreChanges)
	require.True(t, last.Truncated)
	require.NoError(t, r.Close())

	// A line never gets longer than a tile's entry may be, whatever comes.
	r = open(t, dir, &audit.Options{MaxChanges: 10_000, MaxValueBytes: 1024})
	huge := map[string]string{}
	for i := range 400 {
		huge[strings.Repeat("k", i)] = strings.Repeat("\x01é", 8*i)
	}
	_, err = r.Record(t.Context(), audit.Entry{Event: audit.FlowUpdated, Before: map[string]string{}, After: huge,
		Reason: strings.Repeat("\x01", 1<<20), FlowID: strings.Repeat("\x02", 1<<20)})
	require.NoError(t, err)
	all := records(t, dir)
	last = all[len(all)-1]
	require.LessOrEqual(t, len(last.Raw), audit.MaxLine)
	require.Positive(t, last.MoreChanges)
	require.Len(t, last.Changes, 400-last.MoreChanges)
	cut := false
	for _, c := range last.Changes {
		require.LessOrEqual(t, len(c.After), 1024)
		cut = cut || strings.HasPrefix(string(c.After), `{"$cut":`)
	}
	require.True(t, cut, "a long value is cut and says so")
}

func TestSecrets(t *testing.T) {
	const canary = "canary-7f3a-secret"
	dir := t.TempDir()
	r := open(t, dir, &audit.Options{MaskKeys: []string{"pin"}})
	require.NoError(t, r.AddSecret(canary))
	e := audit.Entry{Event: audit.ConfigUpdated, Reason: "because " + canary, Target: audit.Target{Name: canary},
		FlowID: canary, Request: canary, Run: canary, Project: canary, Actor: audit.User(canary),
		Before: map[string]any{"pin": 1234, "password": "first", "note": "see " + canary, canary: 1},
		After:  map[string]any{"pin": 4321, "password": "second", "note": "see " + canary + "!", canary: 2, "list": []string{canary}}}
	_, err := r.Record(t.Context(), e)
	require.NoError(t, err)
	last := records(t, dir)[1]
	require.True(t, last.Redacted)
	require.NotContains(t, string(last.Raw), canary)
	require.NotContains(t, string(last.Raw), "second")
	require.NotContains(t, string(last.Raw), "4321")
	byPath := map[string]audit.Change{}
	for _, c := range last.Changes {
		byPath[c.Path] = c
	}
	for _, path := range []string{"/pin", "/password", "/note"} {
		require.Regexp(t, `^"hmac:[0-9a-f]{16}"$`, string(byPath[path].Before))
		require.NotEqual(t, byPath[path].Before, byPath[path].After, "a change is seen, the value is not")
	}
	_, err = r.Record(t.Context(), e)
	require.NoError(t, err)
	again := records(t, dir)[2]
	require.Equal(t, last.Changes, again.Changes, "the same value looks the same")

	listed := audit.Entry{Event: audit.ConfigUpdated, Before: map[string]any{"token": []any{map[string]any{"id": "live-1", "n": 1}, map[string]any{"id": "live-2", "n": 1}}},
		After: map[string]any{"token": []any{map[string]any{"id": "live-1", "n": 2}, map[string]any{"id": "live-2", "n": 2}}}}
	_, err = r.Record(t.Context(), listed)
	require.NoError(t, err)
	last = records(t, dir)[3]
	require.NotContains(t, string(last.Raw), "live-")
	require.Len(t, last.Changes, 2)
	require.Regexp(t, `^/token/\[hmac:[0-9a-f]{16}\]/n$`, last.Changes[0].Path)
	require.NotEqual(t, last.Changes[0].Path, last.Changes[1].Path, "which of them it is can be told")
	require.NoError(t, r.Close())

	r = open(t, dir, &audit.Options{DropSecrets: true})
	_, err = r.Record(t.Context(), e)
	require.NoError(t, err)
	all := records(t, dir)
	require.Contains(t, string(all[len(all)-1].Raw), `{"path":"/password","op":"replace","before":"***","after":"***"}`)
}

func FuzzDiff(f *testing.F) {
	f.Add(`{"a":[1,2,{"id":1}]}`, `{"a":[2,{"id":1,"x":null}],"password":"p"}`)
	f.Add(`[[],{},"",0,-1e9,true,null]`, `null`)
	f.Fuzz(func(t *testing.T, before, after string) {
		if !json.Valid([]byte(before)) || !json.Valid([]byte(after)) {
			return
		}
		changes, err := audit.Diff(json.RawMessage(before), json.RawMessage(after))
		require.NoError(t, err)
		rows(t, changes)
		back, err := audit.Diff(json.RawMessage(after), json.RawMessage(before))
		require.NoError(t, err)
		require.Equal(t, len(changes) == 0, len(back) == 0, "%s %s", before, after)
		same, err := audit.Diff(json.RawMessage(before), json.RawMessage(before))
		require.NoError(t, err)
		require.Empty(t, same)
	})
}
