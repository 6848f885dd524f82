use std::sync::Arc; use std::time::Instant; use image::Image; use explore::*;
fn main(){
 let a:Vec<String>=std::env::args().collect();
 let (sched,n,seed,cpus,strategy)=(&a[1],a[2].parse().unwrap(),a[3].parse().unwrap(),a[4].parse().unwrap(),&a[5]);
 let mt=std::fs::read_to_string("sim-configs/machines/skylake.toml").unwrap();
 let m=scenario::parse_machine(&scenario::Source::new("m",mt.clone())).unwrap();
 struct L; impl scenario::Library for L{fn machine(&self,_:&str)->Option<(String,String)>{None} fn scheduler(&self,n:&str)->Option<(String,String)>{Some((n.into(),std::fs::read_to_string(format!("sim-configs/schedulers/{n}.toml")).ok()?))} fn machine_names(&self)->Vec<String>{vec![]} fn scheduler_names(&self)->Vec<String>{vec![]}}
 let s=scenario::scheduler_by_name(sched,&L).unwrap();
 let known=scenario::parse_known(&scenario::Source::new("k",std::fs::read_to_string("sim-configs/known.toml").unwrap())).unwrap();
 let terms=FuzzTerms{machine:&m,machine_text:&mt,scheduler:&s,image:Arc::new(Image::parse(&image::guest_elf()).unwrap()),known:&known,wanted:&[],seed,strategy:match strategy.as_str(){"random"=>Strategy::Random,"pct"=>Strategy::Pct,_=>Strategy::Coverage},cpus,shard:(0,1)};
 let mut c=Campaign::new(terms).unwrap();
 let t=Instant::now();
 c.run(1,Budget{executions:Some(n),over:&||false,until_met:false},&Progress::default()).unwrap();
 println!("{:?} {:?} covered {} corpus {}",t.elapsed(),c.totals,c.covered().0,c.corpus().len());
 for (s,f) in &c.found { println!("{} runs {} unexpl {} exec {} :: {}",s,f.runs,f.unexplained,f.execution,f.reason.clone().unwrap_or_default()); if f.unexplained>0 {println!("     {}",f.example)} }
 if a.len()>6 { let list:Vec<&FuzzFound>=c.found.values().filter(|f|f.unexplained>0).collect();
  let t=Instant::now();
  for (i,r) in c.smaller(&list,|i|format!("f{i}.toml"),true,1,&Progress::default()).into_iter().enumerate(){ println!("=== {} :: {}", list[i].verdict, list[i].example); match r {Ok(s)=>println!("{}",s.text),Err(e)=>println!("ERR {e}\n{}",list[i].text)} }
  println!("shrunk {} in {:?}",list.len(),t.elapsed());
 }
}
