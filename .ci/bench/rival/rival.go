// Package rival asks SQL databases the questions that the library is asked.
package rival

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Job is what one database is asked.
type Job struct {
	DSN       string   // that the driver opens
	Create    []string // statements that make tables
	Loads     []Load
	Setup     []string // what follows them
	Rounds    int      // times each question is asked with each constant, after once
	Questions []Question
}

// Load inserts the lines of a file, whose values stand between tabs.
type Load struct{ Path, Insert string }

// Outcome is what became of a Job.
type Outcome struct {
	Loading float64 // seconds until all could be asked
	Answers []Answer
}

// Question is one of them. Total is "" when Page returns counts in its last
// column, which are summed up.
type Question struct {
	Name        string
	Page, Total string
	Args        [][]any // of each constant
}

// Answer is what a question took.
type Answer struct {
	Name   string
	Median float64 // ms, page and total
	Totals []int64 // of each constant
}

// enough is how long one question is asked.
const enough = 5 * time.Second

// Read reads a Job as JSON.
func Read(r io.Reader) (Job, error) {
	var j Job
	d := json.NewDecoder(r)
	d.UseNumber()
	if err := d.Decode(&j); err != nil {
		return j, err
	}
	for _, q := range j.Questions {
		for _, args := range q.Args {
			for i, a := range args {
				if n, is := a.(json.Number); is {
					v, err := n.Int64()
					if err != nil {
						return j, err
					}
					args[i] = v
				}
			}
		}
	}
	return j, nil
}

// Main reads a Job, does it with a driver, and writes its Outcome; it is all that
// the program of a driver does.
func Main(driver string) {
	if err := run(driver); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", driver, err)
		os.Exit(1)
	}
}

func run(driver string) error {
	job, err := Read(os.Stdin)
	if err != nil {
		return err
	}
	db, err := sql.Open(driver, job.DSN)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // settings are a connection's
	outcome, err := Do(db, job)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(outcome)
}

// Do does a Job.
func Do(db *sql.DB, j Job) (o Outcome, err error) {
	start := time.Now()
	for _, s := range j.Create {
		if _, err := db.Exec(s); err != nil {
			return o, fmt.Errorf("%s: %w", s, err)
		}
	}
	for _, l := range j.Loads {
		if err := load(db, l); err != nil {
			return o, fmt.Errorf("%s: %w", l.Insert, err)
		}
	}
	for _, s := range j.Setup {
		if _, err := db.Exec(s); err != nil {
			return o, fmt.Errorf("%s: %w", s, err)
		}
	}
	o.Loading = time.Since(start).Seconds()
	for _, q := range j.Questions {
		a, err := ask(db, q, j.Rounds)
		if err != nil {
			return o, fmt.Errorf("%s: %w", q.Name, err)
		}
		o.Answers = append(o.Answers, a)
	}
	return o, nil
}

// load inserts a table in one transaction.
func load(db *sql.DB, l Load) error {
	f, err := os.Open(l.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	stmt, err := tx.Prepare(l.Insert)
	if err != nil {
		return err
	}
	defer stmt.Close()
	s := bufio.NewScanner(f)
	s.Buffer(make([]byte, 1<<20), 4<<20)
	for s.Scan() {
		values := strings.Split(s.Text(), "\t")
		args := make([]any, len(values))
		for i, v := range values {
			args[i] = v
		}
		if _, err := stmt.Exec(args...); err != nil {
			return err
		}
	}
	if err := s.Err(); err != nil {
		return err
	}
	return tx.Commit()
}

func ask(db *sql.DB, q Question, rounds int) (Answer, error) {
	a := Answer{Name: q.Name}
	page, err := db.Prepare(q.Page)
	if err != nil {
		return a, err
	}
	defer page.Close()
	var total *sql.Stmt
	if q.Total != "" {
		if total, err = db.Prepare(q.Total); err != nil {
			return a, err
		}
		defer total.Close()
	}
	var took []float64
	began := time.Now()
	for round := 0; round <= rounds && (round < 2 || time.Since(began) < enough); round++ {
		for i, args := range q.Args {
			start := time.Now()
			n, err := once(page, total, args)
			if err != nil {
				return a, err
			}
			if round == 0 {
				a.Totals = append(a.Totals, n)
				continue
			}
			if n != a.Totals[i] {
				return a, fmt.Errorf("the total was %d and is %d", a.Totals[i], n)
			}
			took = append(took, float64(time.Since(start))/1e6)
		}
	}
	slices.Sort(took)
	a.Median = took[len(took)/2]
	return a, nil
}

func once(page, total *sql.Stmt, args []any) (n int64, err error) {
	rows, err := page.Query(args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	values, to := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		to[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return 0, err
		}
		if count, is := values[len(values)-1].(int64); is {
			n += count
		}
	}
	if err := rows.Err(); err != nil || total == nil {
		return n, err
	}
	n = 0
	return n, total.QueryRow(args...).Scan(&n)
}
