// Does what a person does, step by step: each step is an object with one member, which says what.
export default async function walk({ page, url, told, look }) {
  const kept = {};
  const does = {
    see: (heading) => page.getByRole("heading", { level: 1, name: heading, exact: true }).waitFor(),
    look,
    press: (name) => press(page.getByRole("button", { name, exact: true })),
    choose: (label) => choose(page.getByRole("radio", { name: label })),
    open: (address) => page.goto(address),
    // A page that was left open has the values of its time.
    keep: async (name) => (kept[name] = await page.locator(`input[name=${name}]`).inputValue()),
    put_back: (name) => page.locator(`input[name=${name}]`).evaluate((field, value) => (field.value = value), kept[name]),
  };
  await page.goto(url);
  for (const step of told.steps) {
    const [[what, whereby]] = Object.entries(step);
    try {
      await does[what](whereby);
    } catch (error) {
      const text = await page.locator("body").innerText();
      throw new Error(`${JSON.stringify(step)} at ${page.url()}, which says:\n${text}`, { cause: error });
    }
  }
  return { came_to: page.url(), heading: await page.locator("h1").innerText() };

  async function press(button) {
    if (!told.keyboard) return button.click();
    await reach(button);
    await page.keyboard.press("Enter");
  }

  async function choose(radio) {
    if (!told.keyboard) return radio.check();
    const group = page.getByRole("radio");
    await reach(group.locator("visible=true").and(page.locator(":checked")));
    for (let left = await group.count(); left > 0 && !(await radio.isChecked()); left -= 1) {
      await page.keyboard.press("ArrowDown");
    }
    if (!(await radio.isChecked())) throw new Error("the arrows do not lead there");
  }

  // Goes there by the Tab key. Wherever that stops, one has to see it.
  async function reach(target) {
    for (let stops = 0; stops < 20; stops += 1) {
      if (await target.evaluate((element) => element === document.activeElement)) return;
      await page.keyboard.press("Tab");
      const seen = await page.evaluate(() => {
        const at = document.activeElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(at);
        return at === document.body || (at.matches(":focus-visible") && outlineStyle !== "none" && parseFloat(outlineWidth) >= 2);
      });
      if (!seen) throw new Error("nothing shows where the keyboard is");
    }
    throw new Error("the Tab key does not lead there");
  }
}
