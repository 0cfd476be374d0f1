"""Exercise 9: the exponential moving average of a model's weights and buffers."""

from __future__ import annotations

import torch
from coursekit.checking import hidden

from autograder.testing import observe, ship

# Runs beside the student's code: what matters is who shares memory with whom.
_DRIVER = """
    import torch

    def model(dtype):
        torch.manual_seed(5)
        net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
        return net.to(dtype)

    def set_state(net, state):
        with torch.no_grad():
            for name, value in list(net.named_parameters()) + list(net.named_buffers()):
                value.copy_(state[name])

    def live(net):
        return {name: value.detach().clone() for name, value in net.state_dict().items()}

    def plain(shadow):
        return {name: value.detach().clone() for name, value in shadow.items()}

    def run(EMA, gamma, dtype, states, actions):
        '''Actions: the number of a state to load, "update", "swap"; what is there after each of them.'''
        net = model(dtype)
        set_state(net, states[0])
        parameters = [id(p) for p in net.parameters()]
        ema = EMA(net, gamma)
        reports = []
        for action in ["start", *actions]:
            if isinstance(action, int):
                set_state(net, states[action])
            elif action != "start":
                getattr(ema, action)()
            memory = {v.data_ptr() for v in net.state_dict().values()}
            reports.append({
                "live": live(net), "shadow": plain(ema.shadow),
                "apart": not any(v.data_ptr() in memory for v in ema.shadow.values()),
                "no_graph": not any(v.requires_grad for v in ema.shadow.values()),
                "same_parameters": parameters == [id(p) for p in net.parameters()],
                "trainable": all(p.requires_grad and p.is_leaf for p in net.parameters()),
            })
        return reports

    def make(EMA, gamma):
        return type(EMA(model(torch.float32), gamma)).__name__

    def tools():
        return model, live, run, make
"""


def _states(shapes: dict, dtype: torch.dtype, count: int) -> list[dict]:
    """Values for everything in a state_dict, different in each state."""
    generator = torch.Generator().manual_seed(93)
    states = []
    for i in range(count):
        state = {}
        for name, (shape, floating) in shapes.items():
            value = torch.randn(shape, generator=generator, dtype=torch.float64) + i
            # running_var must be positive for a model that is used
            state[name] = (value.abs() if "var" in name else value).to(dtype) if floating else torch.tensor(10 * i + 3)
        states.append(state)
    return states


def ema(EMA):
    """Hidden test of `EMA(model, gamma)` with `update()`, `shadow` and `swap()`."""
    model, live, run, make = ship(_DRIVER, "tools")()
    first = live(model(torch.float64))
    shapes = {name: (tuple(value.shape), value.is_floating_point()) for name, value in first.items()}
    with hidden("Exercise 9: the average of the weights") as expect:
        for gamma in (0.9, 0.5, 0.0, 0.99):
            for dtype in (torch.float64, torch.float32):
                _average(expect, run, EMA, gamma, dtype, shapes)
        _swap(expect, run, EMA, shapes)
        for gamma in (1.0, -0.1, 1.5):
            expect.case(f"gamma={gamma}")
            expect.raises(ValueError, make, EMA, gamma, what="a gamma outside of [0, 1) is refused")


def _compare(expect, got, want, what: str, hint: str, rtol: float) -> None:
    expect.equal(sorted(got), sorted(want), f"the names in {what}", likely="those of model.state_dict()")
    for name in want:
        if want[name].is_floating_point():
            expect.close(got[name], want[name], f"{name} in {what}", rtol=rtol, atol=rtol, likely=hint)
            expect.dtype(got[name], want[name].dtype, f"{name} in {what}")
        else:
            whole = "buffers of whole numbers (BatchNorm's counter) are copied, not averaged"
            expect.equal(got[name], want[name], f"{name} in {what}", likely=whole)


def _sound(expect, report) -> None:
    hint = "copies: value.detach().clone() for every entry of model.state_dict()"
    expect.true(report["apart"], "shadow shares memory with the model", likely=hint)
    expect.true(report["no_graph"], "tensors in shadow require a gradient", likely=hint)
    hint = "copy values into the model's own tensors: load_state_dict, or copy_ under no_grad"
    expect.true(report["same_parameters"], "the model has other Parameter objects than before", likely=hint)
    expect.true(report["trainable"], "the model's parameters are no longer leaves to be trained", likely=hint)


def _average(expect, run, EMA, gamma, dtype, shapes) -> None:
    rtol = 1e-12 if dtype == torch.float64 else 1e-5
    states = _states(shapes, dtype, 4)
    hint = "shadow = gamma * shadow + (1 - gamma) * model, from the model's values at the start"
    expect.case(f"gamma={gamma}, before any update, the model has moved on")
    seen = observe(run, EMA, gamma, dtype, states, [1], time_limit=20.0).value
    _compare(expect, seen[0]["shadow"], states[0], "shadow", "it starts at the model's values, not at 0", rtol)
    likely = "a copy of its own, not the live tensors"
    _compare(expect, seen[1]["shadow"], states[0], "shadow", likely, rtol)
    expect.case(f"gamma={gamma}, an update after each of 3 changes")
    actions = [1, "update", 2, "update", 3, "update", 3, "update"]
    seen = observe(run, EMA, gamma, dtype, states, actions, time_limit=20.0).value
    fed = [0, 1, 2, 3, 3]
    for t in range(1, 5):
        report = seen[2 * t]
        want = {}
        for name, value in states[fed[t]].items():
            if value.is_floating_point():
                # the closed form: gamma^t theta_0 + (1 - gamma) sum gamma^(t-s) theta_s
                parts = [(1 - gamma) * gamma ** (t - s) * states[fed[s]][name].double() for s in range(1, t + 1)]
                value = (gamma**t * states[0][name].double() + sum(parts)).to(dtype)
            want[name] = value
        _compare(expect, report["shadow"], want, f"shadow after {t} updates", hint, rtol)
        _compare(expect, report["live"], states[fed[t]], "the model", "update() leaves the model alone", 0.0)
        _sound(expect, report)


def _swap(expect, run, EMA, shapes) -> None:
    states = _states(shapes, torch.float64, 3)
    actions = [1, "update", "swap", "swap", 2, "update", "swap", 1, "swap", "update"]
    expect.case("gamma=0.75: update, swap, swap, update, swap, the weights change, swap, update")
    seen = observe(run, EMA, 0.75, torch.float64, states, actions, time_limit=20.0).value
    before, once, twice = seen[2], seen[3], seen[4]
    exchange = "an exchange, of parameters AND buffers: the model gets shadow, shadow gets what the model had"
    _compare(expect, once["live"], before["shadow"], "the model after swap()", exchange, 0.0)
    _compare(expect, once["shadow"], before["live"], "shadow after swap()", exchange, 0.0)
    _compare(expect, twice["live"], before["live"], "the model after a second swap()", exchange, 0.0)
    _compare(expect, twice["shadow"], before["shadow"], "shadow after a second swap()", exchange, 0.0)
    updated, swapped, moved = seen[6], seen[7], seen[8]
    _compare(expect, swapped["live"], updated["shadow"], "the model after a later swap()", exchange, 0.0)
    likely = "after a swap, too, model and shadow must not share memory"
    _compare(expect, moved["shadow"], swapped["shadow"], "shadow when the model changes after a swap", likely, 0.0)
    for report in seen:
        _sound(expect, report)
    # after the last swap the shadow is what the model had been set to while it was swapped
    last = {
        name: 0.75 * states[1][name] + 0.25 * states[2][name] if value.is_floating_point() else value
        for name, value in states[2].items()
    }
    _compare(expect, seen[10]["shadow"], last, "shadow, updated after two swaps", exchange, 1e-12)
