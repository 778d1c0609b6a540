// What is wrong with the page that is open, as sentences; nothing where everybody can read and use it.
//
// It runs in the page, also where the page's own scripts may not, so it stands on nothing outside of itself.
export default function audit({ contrast, target }) {
  const wrong = [];
  const root = document.documentElement;
  const count = (selector) => document.querySelectorAll(selector).length;
  const shown = (text) => `\`${text.trim().replace(/\s+/g, " ").slice(0, 60)}\``;
  const paint = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const brush = paint.getContext("2d", { willReadFrequently: true });

  if (!root.lang) wrong.push("nothing says which language it is in");
  if (!document.title) wrong.push("it has no title");
  if (count("h1") !== 1) wrong.push(`it has ${count("h1")} headings of the first level`);
  if (count("main") !== 1) wrong.push(`it has ${count("main")} main parts`);
  if (count("script")) wrong.push("it has a script");
  if (root.scrollWidth > innerWidth) wrong.push(`it is ${root.scrollWidth - innerWidth} px wider than the window`);
  document.querySelectorAll("body *").forEach(checkPlace);
  document.querySelectorAll("input:not([type=hidden]), select, textarea").forEach(checkLabel);
  document.querySelectorAll("button, a[href]").forEach(checkTarget);
  checkTexts();
  return wrong;

  function checkPlace(element) {
    const { left, right, width } = element.getBoundingClientRect();
    if (width && (left < -0.5 || right > innerWidth + 0.5)) wrong.push(`${shown(element.textContent)} lies outside`);
  }

  function checkLabel(field) {
    if (!field.labels.length && !field.ariaLabel) wrong.push(`the field \`${field.name}\` has no label`);
  }

  function checkTarget(control) {
    const { width, height } = control.getBoundingClientRect();
    if (!control.textContent.trim()) wrong.push("a control says nothing");
    if (Math.min(width, height) < target) wrong.push(`${shown(control.textContent)} is ${width} by ${height} px`);
  }

  function checkTexts() {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      if (!text.data.trim()) continue;
      const [above, below] = colours(text.parentElement);
      const ratio = contrastOf(above, below);
      if (ratio < contrast) wrong.push(`${shown(text.data)} has a contrast of ${ratio.toFixed(2)}`);
    }
  }

  // Of a text and of what is behind it, the outermost element first.
  function colours(element) {
    const line = [];
    for (let one = element; one; one = one.parentElement) line.unshift(getComputedStyle(one));
    let below = [0, 0, 0, 0];
    let opacity = 1;
    for (const style of line) {
      opacity *= Number(style.opacity);
      below = over(faded(rgba(style.backgroundColor), opacity), below);
    }
    if (below[3] < 1) wrong.push("the page does not say what is behind its text");
    return [over(faded(rgba(line.at(-1).color), opacity), below), below];
  }

  function rgba(colour) {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = brush.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  }

  function faded([red, green, blue, alpha], opacity) {
    return [red, green, blue, alpha * opacity];
  }

  function over(above, below) {
    const alpha = above[3] + below[3] * (1 - above[3]);
    if (!alpha) return [0, 0, 0, 0];
    const mixed = [0, 1, 2].map((at) => (above[at] * above[3] + below[at] * below[3] * (1 - above[3])) / alpha);
    return [...mixed, alpha];
  }

  // Both of WCAG 2, section 1.4.3.
  function contrastOf(one, other) {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  }

  function luminance([red, green, blue]) {
    const linear = (part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  }
}
