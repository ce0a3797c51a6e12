package keyapi

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Execution is work that runs under a key and has to stop when the key dies.
type Execution struct {
	ID        string     `json:"id" example:"exe_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"The id."`
	Key       string     `json:"key" doc:"The key under which it runs."`
	Name      string     `json:"name" example:"eu-west-1 checks" doc:"What it is called."`
	StartedAt time.Time  `json:"started_at" doc:"When it was registered."`
	EndedAt   *time.Time `json:"ended_at" nullable:"true" doc:"When it ended, by itself or with its key; null: it runs."`
}

// NewExecution is the body of a registration.
type NewExecution struct {
	Name string `json:"name" minLength:"1" maxLength:"100" example:"eu-west-1 checks" doc:"What to call it."`
}

type startInput struct {
	KeyPath
	Body NewExecution
}

type executionOutput struct {
	Location string `header:"Location" doc:"Where the execution is ended."`
	Body     Execution
}

type executionPath struct {
	KeyPath
	Execution string `path:"execution" minLength:"1" maxLength:"64" example:"exe_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"The id of the execution."`
}

type executionsOutput struct {
	Body Executions
}

// Executions are a key's.
type Executions struct {
	Items []Execution `json:"items" nullable:"false" doc:"The newest first, at most 1000."`
}

// execution describes one.
func execution(e storage.KeyExecution) Execution {
	return Execution{ID: string(e.ID), Key: string(e.Key), Name: e.Name, StartedAt: e.StartedAt.UTC(), EndedAt: moment(e.EndedAt)}
}

func (a *API) startExecution(ctx context.Context, in *startInput) (*executionOutput, error) {
	e, err := a.cfg.Keys.StartExecution(ctx, actor(ctx), in.key(), in.Body.Name)
	if err != nil {
		return nil, refusal(err)
	}
	return &executionOutput{Location: path + "/" + in.ID + "/executions/" + string(e.ID), Body: execution(e)}, nil
}

func (a *API) executions(ctx context.Context, in *KeyPath) (*executionsOutput, error) {
	found, err := a.cfg.Keys.Executions(ctx, actor(ctx), in.key())
	if err != nil {
		return nil, refusal(err)
	}
	out := Executions{Items: make([]Execution, len(found))}
	for i, e := range found {
		out.Items[i] = execution(e)
	}
	return &executionsOutput{Body: out}, nil
}

func (a *API) endExecution(ctx context.Context, in *executionPath) (*struct{}, error) {
	return nil, refusal(a.cfg.Keys.EndExecution(ctx, actor(ctx), in.key(), storage.ExecutionID(in.Execution)))
}
