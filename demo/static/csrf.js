// The button of the page "Forged requests". The token is added by /csrf.js.
const live = document.querySelector("#live");

document.querySelector("#delete-by-script")?.addEventListener("click", async () => {
  const answer = await fetch("/csrf/delete", { method: "POST", redirect: "manual" });
  if (answer.type === "opaqueredirect") location.assign("/csrf");
  else live.textContent = `refused with status ${answer.status}`;
});

if (live) {
  const socket = new WebSocket(`ws://${location.host}/csrf/socket`);
  socket.addEventListener("message", ({ data }) => {
    live.textContent = data;
  });
}
