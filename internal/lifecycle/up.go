package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/internal/lifecycle/plan"
)

// Plan says what Up would do.
func (e *Executor) Plan(file appspec.File) (plan.Plan, error) {
	if err := e.available(); err != nil {
		return plan.Plan{}, err
	}
	return plan.Make(file, e.present()), nil
}

func (e *Executor) present() (out []plan.Present) {
	for _, c := range e.inventory.Containers() {
		if own(c) {
			out = append(out, plan.Present{ID: c.ID, Name: c.Name, GUID: c.GUID, App: c.App, SpecHash: c.Labels[inventory.LabelSpecHash]})
		}
	}
	return out
}

// Up creates and starts every container of the file that is not there yet, in
// the order of their dependencies, and returns when all are ready. When one
// fails, or ctx ends, everything that this call created is removed again and
// the error is a *RolledBackError. Containers that are there with another
// specification are a *ConflictError, before anything is touched.
func (e *Executor) Up(ctx context.Context, file appspec.File) (plan.Plan, error) {
	names := make([]string, len(file.Apps)) // sorted by the parser
	for i, app := range file.Apps {
		names[i] = app.Name
	}
	unlock, err := e.apps.lock(ctx, names...)
	if err != nil {
		return plan.Plan{}, err
	}
	defer unlock()
	todo, err := e.Plan(file)
	if err != nil {
		return todo, err
	}
	if err := e.refuse(todo); err != nil {
		return todo, err
	}
	b := &batch{Executor: e, todo: todo}
	if err := b.run(ctx); err != nil {
		return todo, b.rollBack(ctx, err)
	}
	for _, app := range names {
		e.forgetGone(app)
	}
	return todo, nil
}

// refuse finds what stands in the way of a plan.
func (e *Executor) refuse(todo plan.Plan) error {
	var errs []error
	for _, s := range todo.Only(plan.Replace, plan.Discard) {
		errs = append(errs, fmt.Errorf("container %s of app %s is there and differs from the file; take the app down first", s.Name, s.App.Name))
	}
	foreign := map[string]bool{}
	for _, c := range e.inventory.Containers() {
		foreign[c.Name] = !own(c)
	}
	for _, s := range todo.Only(plan.Create) {
		if foreign[s.Name] {
			errs = append(errs, fmt.Errorf("a container named %s is there that Governor did not create", s.Name))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &ConflictError{Reason: errors.Join(errs...).Error()}
}

// batch is one call of Up. It is owned by the calling goroutine.
type batch struct {
	*Executor
	todo    plan.Plan
	around  plan.Surroundings
	created []created // in order, for the rollback
}

type created struct {
	name, guid, id string
	started        time.Time
}

func (b *batch) run(ctx context.Context) error {
	steps := b.todo.Only(plan.Create)
	if len(steps) == 0 {
		return nil
	}
	var err error
	if b.around, err = b.surroundings(ctx); err != nil {
		return fmt.Errorf("find the address of the host: %w", err)
	}
	if err := b.images(ctx, steps); err != nil {
		return err
	}
	for _, s := range steps {
		if err := b.create(ctx, s); err != nil {
			return fmt.Errorf("app %s, container %s: %w", s.App.Name, s.Container.Name, err)
		}
	}
	if err := b.settled(ctx); err != nil {
		return err
	}
	b.await(ctx, func(r inventory.Reader) bool {
		for _, c := range b.created {
			if got, ok := r.ByID(c.id); !ok || !got.Running() {
				return false
			}
		}
		return true
	})
	return nil
}

// images fetches what is missing before the first container is created.
func (b *batch) images(ctx context.Context, steps []plan.Step) error {
	seen := map[string]bool{}
	for _, s := range steps {
		ref, pull := s.Container.Image, s.Container.Pull
		if seen[ref+string(pull)] {
			continue
		}
		seen[ref+string(pull)] = true
		exists, err := b.client.ImageExists(ctx, ref)
		if err != nil {
			return err
		}
		switch {
		case pull == appspec.PullAlways, pull == appspec.PullMissing && !exists:
			b.log.Info("pulling an image", zap.String("image", ref))
			if err := b.client.ImagePull(ctx, ref, nil); err != nil {
				return fmt.Errorf("app %s, container %s: %w", s.App.Name, s.Container.Name, err)
			}
		case !exists:
			return fmt.Errorf("app %s, container %s: image %s is not on this host, and pull is never: %w", s.App.Name, s.Container.Name, ref, docker.ErrNotFound)
		}
	}
	return nil
}

func (b *batch) create(ctx context.Context, s plan.Step) error {
	guid, err := b.newGUID(s.Container.Image)
	if err != nil {
		return err
	}
	c := created{name: s.Name, guid: guid}
	c.id, err = b.client.Create(ctx, b.spec(s, guid))
	if err != nil {
		if id := b.halfCreated(ctx, guid); id != "" {
			c.id = id
			b.created = append(b.created, c)
		}
		return err
	}
	b.created = append(b.created, c)
	defer b.show(guid, plan.Pending)()
	if err := b.client.Start(ctx, c.id); err != nil {
		return err
	}
	b.created[len(b.created)-1].started = time.Now()
	_, err = b.ready(ctx, c.id)
	return err
}

// halfCreated finds a container whose creation the engine may have completed
// although the answer was lost.
func (b *batch) halfCreated(ctx context.Context, guid string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.options.RollbackTimeout)
	defer cancel()
	found, err := b.client.List(ctx, inventory.LabelGUID+"="+guid)
	if err != nil || len(found) == 0 {
		return ""
	}
	return found[0].ID
}

func (b *batch) newGUID(image string) (string, error) {
	b.randomMu.Lock() // readers of randomness need not be safe for concurrent use
	defer b.randomMu.Unlock()
	return plan.NewGUID(image, b.random, func(guid string) bool {
		_, taken := b.Container(guid)
		return taken
	})
}

func (b *batch) spec(s plan.Step, guid string) docker.CreateSpec {
	c := s.Container
	out := docker.CreateSpec{
		Name: s.Name, Image: c.Image, Command: c.Command, CPUs: c.CPUs.String(), Quota: c.Quota, Memory: c.Memory, Restart: c.Restart,
		Env: plan.Environment(b.around, guid, s.App.Name, c),
		Labels: inventory.Labels(inventory.Identity{
			GUID: guid, App: s.App.Name, Container: c.Name, SpecHash: s.SpecHash,
		}, s.App.Policy),
	}
	for key, value := range s.App.Tags {
		out.Labels[inventory.LabelTagPrefix+key] = value
	}
	for _, p := range c.Ports {
		out.Ports = append(out.Ports, toPort(p))
	}
	return out
}

// rollBack removes everything that the batch created, newest first. It goes on
// when ctx has ended: a request that was given up leaves nothing behind either.
func (b *batch) rollBack(ctx context.Context, cause error) error {
	if len(b.created) == 0 {
		return cause // nothing was touched
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.options.RollbackTimeout)
	defer cancel()
	out := &RolledBackError{Cause: cause}
	for i := len(b.created) - 1; i >= 0; i-- {
		c := b.created[i]
		defer b.show(c.guid, plan.Terminating)()
		if err := b.delete(ctx, c.id); err != nil {
			out.Left = append(out.Left, fmt.Sprintf("%s (%v)", c.name, err))
			continue
		}
		out.Removed = append(out.Removed, c.name)
		b.awaitGone(ctx, c.id)
	}
	b.log.Warn("a batch was rolled back", zap.Error(cause), zap.Strings("removed", out.Removed), zap.Strings("left", out.Left))
	return out
}

func (e *Executor) awaitGone(ctx context.Context, id string) {
	if !e.inventory.Synced() {
		return // it cannot tell now
	}
	e.await(ctx, func(r inventory.Reader) bool {
		_, there := r.ByID(id)
		return !there
	})
}
