// A slider as the browser has it: with a name, and the value that it stands for, for who hears as for who sees it.

function render({ model, el }) {
  const root = document.createElement("label");
  const name = document.createElement("span");
  const input = document.createElement("input");
  const value = document.createElement("output");
  root.className = "minirlhf-slider";
  input.type = "range";
  input.min = 0;
  input.step = 1;
  input.setAttribute("data-lm-suppress-shortcuts", "true"); // its keys are no shortcuts of JupyterLab's
  root.append(name, input, value);
  el.append(root);

  const draw = () => {
    const labels = model.get("labels");
    name.textContent = model.get("name");
    input.max = labels.length - 1;
    input.value = model.get("index");
    input.disabled = labels.length < 2;
    value.style.minWidth = `${Math.max(...labels.map((label) => label.length)) + 1}ch`; // nothing moves with the value
    say();
  };
  const say = () => {
    value.textContent = model.get("labels")[input.value];
    input.setAttribute("aria-label", name.textContent);
    input.setAttribute("aria-valuetext", value.textContent);
  };
  // The next position is sent once the one before it has been drawn: nothing queues up.
  input.addEventListener("input", () => {
    say();
    model.set("index", Number(input.value));
    model.save_changes();
  });
  model.on("change", draw);
  draw();
  return () => model.off("change", draw);
}

export default { render };
